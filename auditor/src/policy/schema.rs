//! The custom resources that hold policies in the Kubernetes API.
//!
//! Goes in: the form of policies ([`super::model`]). Comes out: two CustomResourceDefinitions with a structural schema,
//! as they are in `deploy/kubernetes/base/crds`.
//!
//! Keys that are not known are kept by the server and refused by auditor, which names the nearest known one. A server
//! that drops them, as servers do by default, would make a rule with a misspelt condition wider than it was meant.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray,
    JSONSchemaPropsOrBool,
};
use kube::{CustomResource, CustomResourceExt as _};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::model::{Encrypted, LONGEST_NAME, MOST_ENTRIES, Rule, UnknownClient};
use super::rule::ALL_STATES;
use crate::glob;
use crate::identity::selector;
use crate::report::finding::Action;
use crate::report::summary::state_name;

/// Most rules of one object.
pub const MOST_RULES: usize = 500;
/// Longest description, citation or reason, characters.
const LONGEST_PROSE: usize = 2048;

/// What may go in clear from the workloads of one namespace. Its rules are about what workloads of that namespace send;
/// they can not allow what a ClusterDataFlowPolicy reports.
#[derive(CustomResource, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "auditor.dev",
    version = "v1alpha1",
    kind = "DataFlowPolicy",
    namespaced,
    plural = "dataflowpolicies",
    shortname = "dfp",
    category = "auditor",
    doc = "Which data may go in clear from the workloads of one namespace to whom."
)]
pub struct DataFlowPolicySpec {
    /// Their order does not matter: the most specific rule that matches decides.
    pub rules: Vec<Rule>,
}

/// What may go in clear from whom to whom, in the whole cluster.
#[derive(CustomResource, Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "auditor.dev",
    version = "v1alpha1",
    kind = "ClusterDataFlowPolicy",
    plural = "clusterdataflowpolicies",
    shortname = "cdfp",
    category = "auditor",
    doc = "Which data may go in clear from whom to whom, in the whole cluster."
)]
pub struct ClusterDataFlowPolicySpec {
    /// Their order does not matter: the most specific rule that matches decides.
    pub rules: Vec<Rule>,
}

/// Both definitions.
pub fn definitions() -> [CustomResourceDefinition; 2] {
    let mut definitions = [DataFlowPolicy::crd(), ClusterDataFlowPolicy::crd()];
    for definition in &mut definitions {
        for version in &mut definition.spec.versions {
            version.additional_printer_columns = Some(columns());
            let schema = version
                .schema
                .as_mut()
                .and_then(|schema| schema.open_api_v3_schema.as_mut());
            if let Some(spec) = schema.and_then(|schema| schema.properties.as_mut()?.get_mut("spec")) {
                keep_unknown(spec);
                if let Some(rules) = spec.properties.as_mut().and_then(|all| all.get_mut("rules")) {
                    rules.max_items = i64::try_from(MOST_RULES).ok();
                    rules.x_kubernetes_list_type = Some("map".to_owned());
                    rules.x_kubernetes_list_map_keys = Some(vec!["name".to_owned()]);
                }
            }
        }
    }
    definitions
}

/// What `kubectl get` shows. A column has room for one value: there is none for a number of rules.
fn columns() -> Vec<CustomResourceColumnDefinition> {
    let column = |name: &str, path: &str, kind: &str, is_wide: bool, description: &str| {
        CustomResourceColumnDefinition {
            name: name.to_owned(),
            json_path: path.to_owned(),
            type_: kind.to_owned(),
            priority: is_wide.then_some(1),
            description: Some(description.to_owned()),
            format: None,
        }
    };
    vec![
        column(
            "First rule",
            ".spec.rules[0].name",
            "string",
            false,
            "Name of the first rule",
        ),
        column(
            "Its action",
            ".spec.rules[0].action",
            "string",
            true,
            "What the first rule says",
        ),
        column(
            "Generation",
            ".metadata.generation",
            "integer",
            true,
            "How often the rules were changed",
        ),
        column(
            "Age",
            ".metadata.creationTimestamp",
            "date",
            false,
            "Of two that conflict, the older is in force",
        ),
    ]
}

/// A schema may not forbid keys; those that are not known stay, for auditor to refuse.
fn keep_unknown(schema: &mut JSONSchemaProps) {
    if schema.properties.is_some() {
        schema.additional_properties = None::<JSONSchemaPropsOrBool>;
        schema.x_kubernetes_preserve_unknown_fields = Some(true);
    }
    schema
        .properties
        .iter_mut()
        .flatten()
        .for_each(|(_, inner)| keep_unknown(inner));
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        keep_unknown(items);
    }
}

const NAME: &str = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$";

pub(super) fn name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": LONGEST_NAME, "pattern": NAME})
}

pub(super) fn prose(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "maxLength": LONGEST_PROSE})
}

pub(super) fn cites(_: &mut SchemaGenerator) -> Schema {
    list(&json_schema!({"type": "string", "maxLength": LONGEST_PROSE}), 0)
}

/// Detectors of a user's own are known to nodes only, so that no list of them can be here.
pub(super) fn ids(_: &mut SchemaGenerator) -> Schema {
    list(
        &json_schema!({"type": "string", "minLength": 1, "maxLength": 128}),
        0,
    )
}

pub(super) fn selector(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": selector::MOST})
}

/// Each sign of a pattern may have a backslash before it.
pub(super) fn patterns(_: &mut SchemaGenerator) -> Schema {
    list(
        &json_schema!({"type": "string", "minLength": 1, "maxLength": 2 * glob::MOST}),
        0,
    )
}

pub(super) fn states(_: &mut SchemaGenerator) -> Schema {
    list(&one_of(&ALL_STATES.map(state_name)), 1)
}

pub(super) fn severity(_: &mut SchemaGenerator) -> Schema {
    one_of(&["low", "medium", "high", "critical"])
}

pub(super) fn action(_: &mut SchemaGenerator) -> Schema {
    one_of(&[Action::Report, Action::Allow, Action::Ignore, Action::Count].map(Action::name))
}

pub(super) fn encrypted(_: &mut SchemaGenerator) -> Schema {
    one_of(&[Encrypted::Any, Encrypted::Required, Encrypted::Everywhere].map(Encrypted::name))
}

pub(super) fn unknown_client(_: &mut SchemaGenerator) -> Schema {
    one_of(&[UnknownClient::Allow, UnknownClient::Report].map(UnknownClient::name))
}

pub(super) fn day(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"})
}

fn one_of(words: &[&str]) -> Schema {
    json_schema!({"type": "string", "enum": words})
}

fn list(of: &Schema, least: usize) -> Schema {
    let mut list = json_schema!({"type": "array", "items": of, "maxItems": MOST_ENTRIES});
    if least > 0 {
        list.insert("minItems".to_owned(), least.into());
    }
    list
}
