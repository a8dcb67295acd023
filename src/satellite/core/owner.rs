//! What is not ours stays as it is.

use crate::api::Reason;
use crate::api::satellite_cluster::AdoptionPolicy;
use crate::satellite::problem::Problem;

/// Refuses to write over, or to delete, a ConfigMap of someone else, unless `spec.adoptionPolicy`
/// permits it.
///
/// # Errors
/// If it is not ours and may not be adopted.
pub(super) fn check_owner(
    adoption: AdoptionPolicy,
    full_name: &str,
    is_ours: bool,
    is_identical: bool,
) -> Result<(), Problem> {
    let may_adopt = match adoption {
        AdoptionPolicy::Never => false,
        AdoptionPolicy::IfIdentical => is_identical,
        AdoptionPolicy::Always => true,
    };
    if is_ours || may_adopt {
        return Ok(());
    }
    let message = format!(
        "ConfigMap {full_name} exists and is not this SatelliteCluster's; delete it, choose another \
         spec.target.name, or set spec.adoptionPolicy"
    );
    Err(Problem::stalled(Reason::Conflict, message))
}
