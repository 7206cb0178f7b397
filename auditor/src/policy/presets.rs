//! Policies that come with auditor, one for each regulation. Each rule cites what it serves.

/// Names and texts.
pub const ALL: &[(&str, &str)] = &[
    ("ccpa", include_str!("presets/ccpa.yaml")),
    ("gdpr", include_str!("presets/gdpr.yaml")),
    ("hipaa", include_str!("presets/hipaa.yaml")),
    ("pci-dss", include_str!("presets/pci-dss.yaml")),
    ("secrets-only", include_str!("presets/secrets-only.yaml")),
];

/// The preset of this name, and its name.
pub fn find(name: &str) -> Option<(&'static str, &'static str)> {
    ALL.iter().copied().find(|(known, _)| *known == name)
}

/// All names, for messages.
pub fn names() -> String {
    let names: Vec<&str> = ALL.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}
