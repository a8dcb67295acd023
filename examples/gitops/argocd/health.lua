-- Health of a MonitoringObject or a SatelliteCluster of groundlink.dev for Argo CD. Both follow kstatus.
-- Healthy: published, and acknowledged by every satellite that should hold it.
local health = {}
local generation = obj.metadata.generation
if obj.spec ~= nil and obj.spec.suspend == true then
  health.status = "Suspended"
  health.message = "spec.suspend is set"
  return health
end
local status = obj.status
if status == nil or status.observedGeneration == nil or status.observedGeneration < generation then
  health.status = "Progressing"
  health.message = "waiting for the operator to observe generation " .. tostring(generation)
  return health
end
local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  -- One of an earlier generation says nothing about this one.
  if condition.observedGeneration == nil or condition.observedGeneration >= generation then
    conditions[condition.type] = condition
  end
end
local function is_true(name)
  return conditions[name] ~= nil and conditions[name].status == "True"
end
local function message(name)
  return conditions[name] ~= nil and conditions[name].message or ""
end
if is_true("Stalled") then
  health.status = "Degraded"
  health.message = message("Stalled")
elseif is_true("Ready") and is_true("Synced") and not is_true("Reconciling") then
  health.status = "Healthy"
  health.message = message("Synced")
else
  health.status = "Progressing"
  health.message = is_true("Ready") and message("Synced") or message("Ready")
end
return health
