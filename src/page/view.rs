//! The part of the state that one person sees.

use super::query::Query;
use super::remedy::remedy;
use super::state::{Satellite, Stage, State};
use crate::api::Reason;
use crate::hub::core::{Counts, State as Step, Waiting};
use serde::Serialize;

/// Objects on one page of the list.
pub(super) const PAGE: usize = 100;
/// Most satellites that are listed. All are counted.
const SATELLITES: usize = 500;
/// Most names of namespaces that are offered.
const NAMESPACES: usize = 500;

/// Which objects a person may list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Those of all namespaces.
    All,
    /// Those of the namespace that was asked for.
    Namespace,
    /// None.
    Nothing,
}

/// What a person may list, by the hub's API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rights {
    /// MonitoringObjects.
    pub objects: Scope,
    /// SatelliteClusters of the operator's namespace.
    pub satellites: bool,
}

impl Rights {
    /// Returns whether a person may see anything.
    pub fn is_any(self) -> bool {
        self.satellites || self.objects != Scope::Nothing
    }
}

/// What a person sees. It has no time but those of causes, so it changes only if something does.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct View<'a> {
    operator: OperatorView<'a>,
    /// None if the person may not list them.
    satellites: Option<SatellitesView<'a>>,
    /// None if the person may not list them.
    objects: Option<ObjectsView<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OperatorView<'a> {
    leads: bool,
    ready: bool,
    /// Lines of `/readyz`, which name objects and satellites. Empty if the person may not list all
    /// of these.
    missing: &'a [String],
    notes: &'a [String],
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct SatellitesView<'a> {
    complete: bool,
    failing: usize,
    behind: usize,
    warned: usize,
    suspended: usize,
    current: usize,
    total: usize,
    rows: Vec<SatelliteView<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SatelliteView<'a> {
    name: &'a str,
    stage: &'static str,
    desired: Option<&'a str>,
    delivered: Option<&'a str>,
    delivered_at: Option<i64>,
    loaded: Option<&'a str>,
    agents: usize,
    since: Option<i64>,
    reason: Option<&'static str>,
    message: Option<&'a str>,
    remedy: Option<&'static str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ObjectsView<'a> {
    complete: bool,
    /// None if these are the objects of all namespaces.
    namespace: Option<&'a str>,
    refused: usize,
    waiting: usize,
    suspended: usize,
    done: usize,
    total: usize,
    /// Objects that are not done and not kept: no filter sees them.
    left_out: usize,
    /// Objects that the filter lets through.
    matching: usize,
    page: usize,
    pages: usize,
    rows: Vec<ObjectView<'a>>,
    /// Namespaces with objects, if the person may list all.
    namespaces: Vec<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ObjectView<'a> {
    namespace: &'a str,
    name: &'a str,
    kind: Option<&'static str>,
    state: &'static str,
    reason: &'static str,
    message: &'a str,
    remedy: Option<&'static str>,
    since: i64,
}

/// Returns what a person with these rights sees.
pub(super) fn view<'a>(state: &'a State, query: &'a Query, rights: Rights) -> View<'a> {
    let operator = &state.operator;
    let sees_all = rights.satellites && rights.objects == Scope::All;
    let details = |lines: &'a Vec<String>| if sees_all { &lines[..] } else { &[] };
    View {
        operator: OperatorView {
            leads: operator.leads,
            ready: operator.missing.is_empty(),
            missing: details(&operator.missing),
            notes: details(&operator.notes),
        },
        satellites: rights.satellites.then(|| satellites(state)),
        objects: (rights.objects != Scope::Nothing).then(|| objects(state, query, rights.objects)),
    }
}

fn satellites(state: &State) -> SatellitesView<'_> {
    let all = &state.satellites.rows;
    let mut seen = SatellitesView {
        complete: state.satellites.is_complete,
        total: all.len(),
        rows: all.iter().take(SATELLITES).map(satellite).collect(),
        ..SatellitesView::default()
    };
    for row in all {
        *match row.stage {
            Stage::Failing => &mut seen.failing,
            Stage::Behind => &mut seen.behind,
            Stage::Warned => &mut seen.warned,
            Stage::Suspended => &mut seen.suspended,
            Stage::Current => &mut seen.current,
        } += 1;
    }
    seen
}

fn satellite(row: &Satellite) -> SatelliteView<'_> {
    let reason = row.why.as_ref().and_then(|(reason, _)| *reason);
    SatelliteView {
        name: &row.name,
        stage: match row.stage {
            Stage::Failing => "failing",
            Stage::Behind => "behind",
            Stage::Warned => "warned",
            Stage::Suspended => "suspended",
            Stage::Current => "current",
        },
        desired: row.desired.as_deref(),
        delivered: row.delivered.as_deref(),
        delivered_at: row.delivered_at,
        loaded: row.loaded.as_deref(),
        agents: row.agents,
        since: row.since,
        reason: reason.map(Reason::as_str),
        message: row.why.as_ref().map(|(_, message)| &**message),
        remedy: reason.and_then(remedy),
    }
}

fn objects<'a>(state: &'a State, query: &'a Query, scope: Scope) -> ObjectsView<'a> {
    let all = &state.objects;
    let namespace = query.namespace.as_deref();
    let mut counts = Counts::default();
    match namespace {
        Some(name) => counts = all.namespaces.get(name).copied().unwrap_or_default(),
        // A scope of one namespace without a namespace shows nothing.
        None if scope == Scope::All => all.namespaces.values().for_each(|one| counts.merge(*one)),
        None => {}
    }
    let is_in_scope = |row: &&Waiting| match namespace {
        Some(name) => row.key.namespace() == name,
        None => scope == Scope::All,
    };
    let kept = all.rows.iter().filter(is_in_scope).count();
    let matching: Vec<&Waiting> =
        all.rows.iter().filter(is_in_scope).filter(|row| matches(row, query)).collect();
    let pages = matching.len().div_ceil(PAGE).max(1);
    let page = query.page.min(pages - 1);
    ObjectsView {
        complete: all.is_complete,
        namespace,
        refused: counts.refused,
        waiting: counts.waiting,
        suspended: counts.suspended,
        done: counts.done,
        total: counts.total(),
        left_out: (counts.total() - counts.done).saturating_sub(kept),
        matching: matching.len(),
        page,
        pages,
        rows: matching.iter().skip(page * PAGE).take(PAGE).map(|row| object(row)).collect(),
        namespaces: match scope {
            Scope::All => all.namespaces.keys().take(NAMESPACES).map(String::as_str).collect(),
            Scope::Namespace | Scope::Nothing => Vec::new(),
        },
    }
}

fn object(row: &Waiting) -> ObjectView<'_> {
    ObjectView {
        namespace: row.key.namespace(),
        name: row.key.name(),
        kind: row.kind.map(|kind| kind.as_str()),
        state: match row.state {
            Step::Refused => "refused",
            Step::Waiting => "waiting",
            Step::Suspended => "suspended",
            Step::Done => "done",
        },
        reason: row.reason.as_str(),
        message: &row.message,
        remedy: remedy(row.reason),
        since: row.since,
    }
}

fn matches(row: &Waiting, query: &Query) -> bool {
    let has = |text: &str| text.to_lowercase().contains(&query.filter);
    query.state.is_none_or(|state| state == row.state)
        && (query.filter.is_empty()
            || has(row.key.as_str())
            || has(row.reason.as_str())
            || row.kind.is_some_and(|kind| has(kind.as_str()))
            || has(&row.message))
}

#[cfg(test)]
mod tests;
