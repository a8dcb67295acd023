//! The paths of the real Kubernetes programs.

use std::path::PathBuf;

/// Returns the path of `etcd`, `kube-apiserver`, `kubectl`, `helm` or `helm3`: from `$KUBEBUILDER_ASSETS` if
/// that holds the file, otherwise from `.cache/bin` of this repository.
///
/// # Panics
/// If the program is in neither place.
pub fn binary(name: &str) -> PathBuf {
    let assets = std::env::var_os("KUBEBUILDER_ASSETS").map(|dir| PathBuf::from(dir).join(name));
    let built = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".cache/bin").join(name);
    assets.into_iter().chain([built.clone()]).find(|path| path.is_file()).unwrap_or_else(|| {
        panic!(
            "{name} is missing: run hack/tools/build.sh (about six minutes, once), or set KUBEBUILDER_ASSETS \
             to a directory that holds it; looked for {}",
            built.display()
        )
    })
}
