//! Category `secret`: what opens something.
//!
//! A vendor's token is a row here and a line in the table of [`crate::detect::verify::secret::token`].

mod cloud;
mod password;
mod vendors;
mod web;

use super::{Class, DetectorInfo, SECRET};
use crate::detect::Severity;

/// The rows of this category. What is hidden under a name that two rows have belongs to the first. Where two prefixes begin alike, the longer one's row comes first.
pub(super) const ROWS: &[&DetectorInfo] = &[
    &password::PASSWORD,
    &cloud::AWS_ACCESS_KEY_ID,
    &cloud::AWS_SECRET_ACCESS_KEY,
    &cloud::GOOGLE_API_KEY,
    &cloud::AZURE_SECRET,
    &cloud::VAULT_TOKEN,
    &cloud::DATABRICKS_TOKEN,
    &cloud::DOPPLER_TOKEN,
    &cloud::NEWRELIC_KEY,
    &cloud::DATADOG_KEY,
    &vendors::GITHUB_TOKEN,
    &vendors::GITLAB_TOKEN,
    &vendors::SLACK_TOKEN,
    &vendors::STRIPE_KEY,
    &vendors::ANTHROPIC_KEY,
    &vendors::OPENAI_KEY,
    &vendors::NPM_TOKEN,
    &vendors::PYPI_TOKEN,
    &vendors::SENDGRID_KEY,
    &vendors::MAILGUN_KEY,
    &vendors::MAILCHIMP_KEY,
    &vendors::TWILIO_KEY,
    &vendors::ATLASSIAN_TOKEN,
    &web::PRIVATE_KEY,
    &web::JWT,
    &web::BASIC_AUTH,
    &web::BEARER_TOKEN,
    &web::URL_CREDENTIALS,
    &web::CONNECTION_STRING,
    &web::SESSION_COOKIE,
    &web::OTPAUTH,
];

/// What rows of this category have in common.
const CREDENTIAL: DetectorInfo = DetectorInfo {
    category: "secret",
    regulations: &[SECRET],
    class: Class::A,
    severity: Severity::Critical,
    ..DetectorInfo::BASE
};
