//! Keys of clouds and of what runs there.

use super::CREDENTIAL;
use crate::detect::catalogue::{Class, Convention, DetectorInfo, Needs, Trigger};
use crate::detect::verify::secret::{aws, azure, keyed, service_account, token};

pub(super) static AWS_ACCESS_KEY_ID: DetectorInfo = DetectorInfo {
    id: "aws_access_key_id",
    keys: &["awsaccesskeyid", "accesskeyid", "awsaccesskey", "awskeyid"],
    words: &["awsaccesskeyid", "accesskeyid"],
    siblings: &[
        "secretaccesskey",
        "awssecretaccesskey",
        "sessiontoken",
        "awssessiontoken",
    ],
    explanation: "AKIA, ASIA, ABIA or ACCA and sixteen base 32 characters.",
    source: "AWS IAM user guide, unique identifiers",
    convention: Convention::Secret(4),
    triggers: &[Trigger::Prefix {
        prefixes: &["AKIA", "ASIA", "ABIA", "ACCA"],
        verify: token::verify,
    }],
    ..CREDENTIAL
};

pub(super) static AWS_SECRET_ACCESS_KEY: DetectorInfo = DetectorInfo {
    id: "aws_secret_access_key",
    keys: &[
        "awssecretaccesskey",
        "secretaccesskey",
        "awssecretkey",
        "awssecret",
        "s3secretkey",
        "s3secretaccesskey",
    ],
    words: &[],
    siblings: &["accesskeyid", "awsaccesskeyid"],
    explanation: "Forty base 64 characters without order, under their name or within five lines of an access key id.",
    source: "AWS IAM user guide, managing access keys",
    convention: Convention::Secret(0),
    triggers: &[
        Trigger::Prefix {
            prefixes: &["AKIA", "ASIA", "ABIA", "ACCA"],
            verify: aws::verify_paired,
        },
        Trigger::Named { check: aws::check },
    ],
    ..CREDENTIAL
};

pub(super) static GOOGLE_API_KEY: DetectorInfo = DetectorInfo {
    id: "google_api_key",
    keys: &[
        "googleapikey",
        "googlemapsapikey",
        "googlemapskey",
        "firebaseapikey",
        "googleclientsecret",
        "gcpapikey",
        "geminiapikey",
    ],
    words: &[],
    siblings: &[],
    explanation: "AIza and 35 characters, GOCSPX- and 28, an access token (ya29.), or a service account file with its private key.",
    source: "Google Cloud: API keys, OAuth 2.0 clients, service account keys",
    convention: Convention::Secret(4),
    triggers: &[
        Trigger::Prefix {
            prefixes: &["AIza", "GOCSPX-", "ya29."],
            verify: token::verify,
        },
        Trigger::Prefix {
            prefixes: &["private_key_id"],
            verify: service_account::verify,
        },
    ],
    ..CREDENTIAL
};

pub(super) static AZURE_SECRET: DetectorInfo = DetectorInfo {
    id: "azure_secret",
    keys: &[
        "azureclientsecret",
        "armclientsecret",
        "aadclientsecret",
        "clientsecret",
        "azurestoragekey",
        "storageaccountkey",
        "azurestorageaccountkey",
    ],
    words: &[],
    siblings: &[],
    explanation: "AccountKey= or SharedAccessKey= and a key, the signature of a shared access signature, or a client secret with its mark Q~.",
    source: "Microsoft: storage connection strings, service SAS, application secrets",
    convention: Convention::Secret(0),
    triggers: &[
        Trigger::Prefix {
            prefixes: &["AccountKey=", "SharedAccessKey="],
            verify: azure::verify_key,
        },
        Trigger::Prefix {
            // `26sig=` stands in a URL that is a parameter itself: `%26sig=`.
            prefixes: &["sig=", "26sig="],
            verify: azure::verify_signature,
        },
        Trigger::Named {
            check: azure::check_client_secret,
        },
        Trigger::Word {
            lengths: 5..=5,
            first: b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
            verify: azure::verify_client_secret,
        },
    ],
    ..CREDENTIAL
};

pub(super) static VAULT_TOKEN: DetectorInfo = DetectorInfo {
    id: "vault_token",
    keys: &["vaulttoken", "xvaulttoken", "vaultroottoken"],
    words: &[],
    siblings: &[],
    explanation: "hvs., hvb. or hvr. and 24 characters or more; s. and 24 under its name.",
    source: "HashiCorp Vault: tokens",
    convention: Convention::Secret(4),
    triggers: &[
        Trigger::Prefix {
            prefixes: &["hvs.", "hvb.", "hvr."],
            verify: token::verify,
        },
        Trigger::Named {
            check: keyed::check_vault,
        },
    ],
    ..CREDENTIAL
};

pub(super) static DATABRICKS_TOKEN: DetectorInfo = DetectorInfo {
    id: "databricks_token",
    keys: &["databrickstoken", "databricksaccesstoken", "databrickspat"],
    words: &[],
    siblings: &[],
    explanation: "dapi and 32 hexadecimal digits.",
    source: "Databricks: personal access tokens",
    convention: Convention::Secret(4),
    triggers: &[Trigger::Prefix {
        prefixes: &["dapi"],
        verify: token::verify,
    }],
    ..CREDENTIAL
};

pub(super) static DOPPLER_TOKEN: DetectorInfo = DetectorInfo {
    id: "doppler_token",
    keys: &["dopplertoken", "dopplerservicetoken"],
    words: &[],
    siblings: &[],
    explanation: "dp., the kind of token, and forty characters or more.",
    source: "Doppler: auth token formats",
    convention: Convention::Secret(6),
    triggers: &[Trigger::Prefix {
        prefixes: &["dp.pt.", "dp.st.", "dp.ct.", "dp.sa.", "dp.scim.", "dp.audit."],
        verify: token::verify,
    }],
    ..CREDENTIAL
};

pub(super) static NEWRELIC_KEY: DetectorInfo = DetectorInfo {
    id: "newrelic_key",
    keys: &[
        "newreliclicensekey",
        "newrelicapikey",
        "newreliclicence",
        "newrelickey",
        "newrelicuserkey",
        "newrelicinsertkey",
    ],
    words: &[],
    siblings: &[],
    explanation: "NRAK-, NRII-, NRIQ- or NRRA- and its length; a licence key that ends with NRAL, or 40 hexadecimal digits, under its name.",
    source: "New Relic: API keys",
    convention: Convention::Secret(5),
    triggers: &[
        Trigger::Prefix {
            prefixes: &["NRAK-", "NRII-", "NRIQ-", "NRRA-"],
            verify: token::verify,
        },
        Trigger::Named {
            check: keyed::check_newrelic,
        },
        Trigger::Word {
            lengths: 40..=40,
            first: b"0123456789abcdefghijklmnopqrstuvwxyz",
            verify: keyed::verify_newrelic,
        },
    ],
    ..CREDENTIAL
};

pub(super) static DATADOG_KEY: DetectorInfo = DetectorInfo {
    id: "datadog_key",
    keys: &[
        "ddapikey",
        "ddappkey",
        "datadogapikey",
        "datadogappkey",
        "ddapplicationkey",
        "datadogapplicationkey",
    ],
    words: &[],
    siblings: &[],
    explanation: "32 or 40 hexadecimal digits under its name.",
    source: "Datadog: API and application keys",
    convention: Convention::Secret(0),
    class: Class::D,
    needs: Needs::Key,
    triggers: &[Trigger::Named {
        check: keyed::check_datadog,
    }],
    ..CREDENTIAL
};
