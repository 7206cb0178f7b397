//! The definitions of the custom resources: in step with the files, and with what auditor reads.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray,
};

use super::super::presets;
use super::super::schema::definitions;

/// A value without what is not set.
fn written(definition: &CustomResourceDefinition) -> String {
    let text = serde_norway::to_string(definition).unwrap();
    format!(
        "# Written by `UPDATE_DOCS=1 cargo test -p auditor --lib reference`. docs/policy.md explains it.\n{text}"
    )
}

#[test]
fn the_reference_definitions_in_deploy_are_those_of_the_code() {
    for definition in definitions() {
        let name = &definition.spec.names.plural;
        let file = format!(
            "{}/../deploy/kubernetes/base/crds/{name}.yaml",
            env!("CARGO_MANIFEST_DIR")
        );
        let text = written(&definition);
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&file, &text).unwrap();
        }
        let found = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            found == text,
            "{file} is old: UPDATE_DOCS=1 cargo test -p auditor --lib reference"
        );
    }
}

/// Calls for every schema, with its path.
fn each(path: &str, schema: &JSONSchemaProps, call: &mut impl FnMut(&str, &JSONSchemaProps)) {
    call(path, schema);
    for (name, inner) in schema.properties.iter().flatten() {
        each(&format!("{path}.{name}"), inner, call);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
        each(&format!("{path}[]"), items, call);
    }
}

#[test]
fn every_part_of_a_definition_has_a_type_bounds_and_a_description() {
    for definition in definitions() {
        assert!(!definition.spec.names.short_names.as_ref().unwrap().is_empty());
        let schema = definition.spec.versions[0].schema.as_ref().unwrap();
        let schema = schema.open_api_v3_schema.as_ref().unwrap();
        let mut count = 0;
        let spec = &schema.properties.as_ref().unwrap()["spec"];
        each("spec", spec, &mut |path, schema| {
            count += 1;
            let kind = schema.type_.as_deref().unwrap_or_default();
            let is_bounded = match kind {
                "array" => schema.max_items.is_some(),
                "string" => schema.max_length.is_some() || schema.enum_.is_some() || schema.pattern.is_some(),
                "object" => schema.properties.is_some(),
                _ => false,
            };
            assert!(is_bounded, "{path}: {schema:?}");
            assert!(
                path.ends_with("[]") || schema.description.is_some(),
                "{path} has no description"
            );
            assert!(schema.additional_properties.is_none(), "{path}");
        });
        assert!(count > 20, "{count}");
    }
}

#[test]
fn what_comes_with_auditor_is_within_the_bounds_of_the_definitions() {
    let json = serde_json::to_value(definitions()[1].spec.versions[0].schema.as_ref().unwrap()).unwrap();
    let validator = jsonschema::validator_for(&json["openAPIV3Schema"]).unwrap();
    for (name, text) in presets::ALL {
        let preset: serde_json::Value = serde_norway::from_str(text).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&preset)
            .map(|error| error.to_string())
            .collect();
        assert_eq!(errors, Vec::<String>::new(), "{name}");
    }
}
