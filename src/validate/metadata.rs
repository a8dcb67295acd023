//! Name and namespace of a resource, which become a path and a line of comment.

use crate::text::quoted;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// Longest `metadata.name`: the file name and the ConfigMap key are made from it.
const MAX_RESOURCE_NAME: usize = 180;

/// Checks both. An API server admits nothing else, but manifests from files have not met one.
pub(super) fn check(metadata: &ObjectMeta) -> Result<(), String> {
    let name = metadata.name.as_deref().unwrap_or_default();
    let namespace = metadata.namespace.as_deref().unwrap_or_default();
    if name.len() > MAX_RESOURCE_NAME {
        let length = name.len();
        return Err(format!(
            "metadata.name: has {length} characters, and at most {MAX_RESOURCE_NAME} are allowed; shorten it"
        ));
    }
    if !name.split('.').all(is_label) {
        return Err(format!(
            "metadata.name: {} is no name of a resource; use lower-case letters, digits, and hyphens and dots between them",
            quoted(name)
        ));
    }
    if !is_label(namespace) {
        return Err(format!(
            "metadata.namespace: {} is no name of a namespace; use lower-case letters, digits, and hyphens between them",
            quoted(namespace)
        ));
    }
    Ok(())
}

/// True for a label of DNS, as in names and namespaces.
fn is_label(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(plain) && !text.starts_with('-') && !text.ends_with('-')
}
