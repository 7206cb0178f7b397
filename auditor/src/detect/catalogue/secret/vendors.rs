//! Tokens of code hosts, package registries, payment, mail and model vendors.

use super::CREDENTIAL;
use crate::detect::catalogue::{Convention, DetectorInfo, Trigger};
use crate::detect::verify::secret::{keyed, mailchimp, slack, token};

pub(super) static GITHUB_TOKEN: DetectorInfo = DetectorInfo {
    id: "github_token",
    keys: &[
        "githubtoken",
        "ghtoken",
        "githubpat",
        "githubaccesstoken",
        "githubpersonalaccesstoken",
    ],
    words: &["githubtoken", "ghtoken", "githubpat"],
    siblings: &[],
    explanation: "ghp_, gho_, ghu_, ghs_ or ghr_, thirty characters and their CRC-32 in base 62; or github_pat_ and its two parts.",
    source: "GitHub engineering, token formats of 2021-04 and 2022-10",
    convention: Convention::Secret(4),
    triggers: &[Trigger::Prefix {
        prefixes: &["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"],
        verify: token::verify,
    }],
    ..CREDENTIAL
};

pub(super) static GITLAB_TOKEN: DetectorInfo = DetectorInfo {
    id: "gitlab_token",
    keys: &[
        "gitlabtoken",
        "gitlabpat",
        "gitlabaccesstoken",
        "cijobtoken",
        "gitlabprivatetoken",
    ],
    words: &[],
    siblings: &[],
    explanation: "glpat-, gldt-, glrt- or another of the prefixes and twenty characters or more.",
    source: "GitLab: token overview, token prefixes",
    convention: Convention::Secret(5),
    triggers: &[Trigger::Prefix {
        prefixes: &[
            "glpat-", "gldt-", "glrt-", "glrtr-", "glcbt-", "glptt-", "glft-", "glimt-", "glagent-",
            "gloas-", "glsoat-", "glffct-",
        ],
        verify: token::verify,
    }],
    ..CREDENTIAL
};

pub(super) static SLACK_TOKEN: DetectorInfo = DetectorInfo {
    id: "slack_token",
    keys: &[
        "slacktoken",
        "slackbottoken",
        "slackapptoken",
        "slackusertoken",
        "slackwebhook",
        "slackwebhookurl",
    ],
    words: &[],
    siblings: &[],
    explanation: "xoxb-, xoxp- or another of the prefixes, digits and a secret; or the address of an incoming webhook.",
    source: "Slack: token types, incoming webhooks",
    convention: Convention::Secret(5),
    triggers: &[
        Trigger::Prefix {
            prefixes: &[
                "xoxb-",
                "xoxp-",
                "xoxa-",
                "xoxr-",
                "xoxs-",
                "xoxc-",
                "xapp-",
                "xoxe-",
                "xoxe.xoxb-",
                "xoxe.xoxp-",
            ],
            verify: token::verify,
        },
        Trigger::Prefix {
            prefixes: &["hooks.slack.com/"],
            verify: slack::verify_webhook,
        },
    ],
    ..CREDENTIAL
};

pub(super) static STRIPE_KEY: DetectorInfo = DetectorInfo {
    id: "stripe_key",
    keys: &[
        "stripekey",
        "stripesecretkey",
        "stripeapikey",
        "stripewebhooksecret",
        "striperestrictedkey",
    ],
    words: &[],
    siblings: &[],
    explanation: "sk_live_, rk_live_ or whsec_ and its secret; sk_test_ and rk_test_ are for tests.",
    source: "Stripe: API keys, webhook signatures",
    convention: Convention::Secret(8),
    triggers: &[Trigger::Prefix {
        prefixes: &["sk_live_", "rk_live_", "sk_test_", "rk_test_", "whsec_"],
        verify: token::verify,
    }],
    ..CREDENTIAL
};

pub(super) static ANTHROPIC_KEY: DetectorInfo = DetectorInfo {
    id: "anthropic_key",
    keys: &["anthropicapikey", "anthropickey", "claudeapikey"],
    words: &[],
    siblings: &[],
    explanation: "sk-ant-, kind and version, and eighty characters or more.",
    source: "Anthropic: API keys",
    convention: Convention::Secret(7),
    triggers: &[Trigger::Prefix {
        prefixes: &["sk-ant-"],
        verify: token::verify,
    }],
    ..CREDENTIAL
};

pub(super) static OPENAI_KEY: DetectorInfo = DetectorInfo {
    id: "openai_key",
    keys: &["openaiapikey", "openaikey", "openaisecretkey"],
    words: &[],
    siblings: &[],
    explanation: "sk-proj-, sk-svcacct- or sk-admin- and its secret; sk- and twice twenty characters around the mark.",
    source: "OpenAI: API keys",
    convention: Convention::Secret(3),
    triggers: &[
        Trigger::Prefix {
            prefixes: &["sk-proj-", "sk-svcacct-", "sk-admin-"],
            verify: token::verify,
        },
        Trigger::Prefix {
            prefixes: &["sk-"],
            verify: token::verify_openai_legacy,
        },
    ],
    ..CREDENTIAL
};

pub(super) static NPM_TOKEN: DetectorInfo = DetectorInfo {
    id: "npm_token",
    keys: &["npmtoken", "npmauthtoken", "npmaccesstoken"],
    words: &[],
    siblings: &[],
    explanation: "npm_, thirty characters and their CRC-32 in base 62.",
    source: "npm: access token format of 2021-09",
    convention: Convention::Secret(4),
    triggers: &[Trigger::Prefix {
        prefixes: &["npm_"],
        verify: token::verify,
    }],
    ..CREDENTIAL
};

pub(super) static PYPI_TOKEN: DetectorInfo = DetectorInfo {
    id: "pypi_token",
    keys: &["pypitoken", "pypiapitoken", "twinepassword"],
    words: &[],
    siblings: &[],
    explanation: "pypi- and a macaroon of the package index.",
    source: "PyPI: API tokens; macaroons of version 2",
    convention: Convention::Secret(5),
    triggers: &[Trigger::Prefix {
        prefixes: &["pypi-"],
        verify: token::verify,
    }],
    ..CREDENTIAL
};

pub(super) static SENDGRID_KEY: DetectorInfo = DetectorInfo {
    id: "sendgrid_key",
    keys: &["sendgridapikey", "sendgridkey"],
    words: &[],
    siblings: &[],
    explanation: "SG., 22 characters, a dot and 43 characters.",
    source: "SendGrid: API keys",
    convention: Convention::Secret(3),
    triggers: &[Trigger::Prefix {
        prefixes: &["SG."],
        verify: token::verify,
    }],
    ..CREDENTIAL
};

pub(super) static MAILGUN_KEY: DetectorInfo = DetectorInfo {
    id: "mailgun_key",
    keys: &["mailgunapikey", "mailgunkey", "mailgunsigningkey"],
    words: &["mailgun"],
    siblings: &[],
    explanation: "key- and 32 hexadecimal digits near its name, or those and two groups of eight under it.",
    source: "Mailgun: API keys",
    convention: Convention::Secret(4),
    triggers: &[
        Trigger::Prefix {
            prefixes: &["key-"],
            verify: token::verify,
        },
        Trigger::Named {
            check: keyed::check_mailgun,
        },
    ],
    ..CREDENTIAL
};

pub(super) static MAILCHIMP_KEY: DetectorInfo = DetectorInfo {
    id: "mailchimp_key",
    keys: &["mailchimpapikey", "mailchimpkey"],
    words: &["mailchimp"],
    siblings: &[],
    explanation: "32 hexadecimal digits, a dash and a data centre.",
    source: "Mailchimp: Marketing API",
    convention: Convention::Secret(0),
    triggers: &[Trigger::Prefix {
        prefixes: &["us1", "us2", "us3", "us4", "us5", "us6", "us7", "us8", "us9"],
        verify: mailchimp::verify,
    }],
    ..CREDENTIAL
};

pub(super) static TWILIO_KEY: DetectorInfo = DetectorInfo {
    id: "twilio_key",
    keys: &[
        "twilioauthtoken",
        "twilioapikey",
        "twilioapisecret",
        "twiliotoken",
    ],
    words: &["twilio"],
    siblings: &["accountsid", "twilioaccountsid"],
    explanation: "SK and 32 hexadecimal digits, or 32 under the name of an authentication token.",
    source: "Twilio: API keys, authentication tokens",
    convention: Convention::Secret(2),
    triggers: &[
        Trigger::Prefix {
            prefixes: &[
                "SK0", "SK1", "SK2", "SK3", "SK4", "SK5", "SK6", "SK7", "SK8", "SK9", "SKa", "SKb", "SKc",
                "SKd", "SKe", "SKf",
            ],
            verify: token::verify,
        },
        Trigger::Named {
            check: keyed::check_twilio,
        },
    ],
    ..CREDENTIAL
};

pub(super) static ATLASSIAN_TOKEN: DetectorInfo = DetectorInfo {
    id: "atlassian_token",
    keys: &[
        "atlassiantoken",
        "atlassianapitoken",
        "jiraapitoken",
        "jiratoken",
        "confluencetoken",
        "confluenceapitoken",
        "bitbuckettoken",
        "bitbucketapppassword",
    ],
    words: &[],
    siblings: &[],
    explanation: "ATATT or ATCTT, its body, = and eight hexadecimal digits, which may be a CRC-32; ATBB and 32 characters.",
    source: "Atlassian: API tokens, Bitbucket's token prefixes",
    convention: Convention::Secret(5),
    triggers: &[Trigger::Prefix {
        prefixes: &["ATATT3xFfGF0", "ATCTT3xFfGN0", "ATBB"],
        verify: token::verify,
    }],
    ..CREDENTIAL
};
