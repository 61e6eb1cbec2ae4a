//! Keys of older versions. They are unknown now, and the error says the new name.

/// The old key and the new one.
pub(super) const RENAMED: [(&str, &str); 15] = [
    ("shutdown_grace_seconds", "shutdown_grace"),
    ("listen.idle_seconds", "listen.idle_timeout"),
    ("collector.max_request_bytes", "collector.max_request_size"),
    ("collector.max_in_flight_bytes", "collector.max_in_flight"),
    ("collector.multi_tenant", "tenancy.mode"),
    ("storage.head_mb", "storage.head_size"),
    ("storage.seal_after_seconds", "storage.seal_after"),
    ("storage.queue_mb", "storage.queue_size"),
    ("storage.cache_mb", "storage.cache_size"),
    ("storage.retention_hours", "storage.retention"),
    ("storage.retention_mb", "storage.retention_size"),
    ("storage.min_free_mb", "storage.min_free"),
    ("query.timeout_seconds", "query.timeout"),
    ("query.memory_mb", "query.memory"),
    ("query.multi_tenant", "tenancy.mode"),
];

/// What the key is called now.
pub(super) fn new_name(old: &str) -> Option<&'static str> {
    RENAMED.iter().find(|(key, _)| *key == old).map(|(_, new)| *new)
}

/// What to say to somebody who wrote this key: nothing where it never was one.
pub(super) fn hint(key: &str) -> String {
    new_name(key).map(|new| format!("; {key} is now {new}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load::leaf_keys;

    #[test]
    fn old_names_are_gone_and_new_ones_are_there() {
        let keys = leaf_keys();
        for (old, new) in RENAMED {
            assert!(!keys.iter().any(|key| key == old), "{old}");
            assert!(keys.iter().any(|key| key == new), "{new}");
        }
    }
}
