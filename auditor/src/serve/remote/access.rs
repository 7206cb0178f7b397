//! Who may read findings: the API server knows users by their tokens, and says what they may do.
//!
//! Goes in: a bearer token, and the namespaces that are asked for. Comes out: who it is and what it may see, or why it may
//! not. Where the API server does not answer, nobody may. Tokens are not kept, not even for a moment, but as a digest.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::{Api, PostParams};
use kube::{Client, Error};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::report::table::escape;
use crate::serve::view::View;

/// What has to be permitted: `watch` on this virtual resource, which no object is of.
pub const GROUP: &str = "auditor.dev";
pub const RESOURCE: &str = "findings";
pub const VERB: &str = "watch";

/// How long an answer of the API server holds for who asks again.
const HOLDS: Duration = Duration::from_secs(10);
/// How long the API server has for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Answers that are remembered.
const MOST_KNOWN: usize = 512;
/// Clients for whom the API server is asked at once: others wait.
const AT_ONCE: usize = 4;
/// Longest name of a user in a message, characters.
const LONGEST_NAME: usize = 200;

/// A user who may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// As the API server calls it; steers no terminal.
    pub user: String,
    pub view: View,
}

/// Why somebody may not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the API server does not know this token, or it has expired: give a token of yours")]
    Unknown,
    #[error(
        "{user} may not watch findings{}: ask for the right to {VERB} {RESOURCE} of {GROUP}{hint}",
        in_namespace(namespace)
    )]
    Forbidden {
        user: String,
        /// The one that is refused; none when no namespace was asked for.
        namespace: Option<String>,
        hint: &'static str,
    },
    #[error("who may read findings can not be checked: {0}")]
    Unchecked(String),
}

fn in_namespace(namespace: &Option<String>) -> String {
    namespace.as_ref().map_or_else(
        || " of all namespaces".to_owned(),
        |namespace| format!(" of the namespace {namespace}"),
    )
}

/// Asks the API server.
pub struct Gate {
    client: Client,
    audience: Option<String>,
    known: Mutex<HashMap<[u8; 32], Known>>,
    asking: Semaphore,
}

struct Known {
    until: Instant,
    answer: Result<Access, Refusal>,
}

impl Gate {
    /// Tokens have to be meant for `audience`; `None`: for the API server.
    pub fn new(client: Client, audience: Option<String>) -> Self {
        Self {
            client,
            audience,
            known: Mutex::default(),
            asking: Semaphore::new(AT_ONCE),
        }
    }

    /// Whether somebody with this token may read findings, of all namespaces or of those that are asked for. An answer may
    /// be [`HOLDS`] old.
    ///
    /// # Errors
    /// When it may not, or that can not be checked.
    pub async fn admits(&self, token: &str, namespaces: &[String]) -> Result<Access, Refusal> {
        let digest = digest(token, namespaces);
        let known = self.known().get(&digest).and_then(|known| {
            let is_fresh = Instant::now() < known.until;
            is_fresh.then(|| known.answer.clone())
        });
        match known {
            Some(answer) => answer,
            None => self.asks(token, namespaces).await,
        }
    }

    /// The same, of now.
    ///
    /// # Errors
    /// The same.
    pub async fn asks(&self, token: &str, namespaces: &[String]) -> Result<Access, Refusal> {
        let answer = match timeout(PATIENCE, self.review(token, namespaces)).await {
            Ok(answer) => answer,
            Err(_) => Err(Refusal::Unchecked(
                "the API server does not answer; try again later".to_owned(),
            )),
        };
        if !matches!(answer, Err(Refusal::Unchecked(_))) {
            self.remember(digest(token, namespaces), answer.clone());
        }
        answer
    }

    async fn review(&self, token: &str, namespaces: &[String]) -> Result<Access, Refusal> {
        let Ok(_one_of_few) = self.asking.acquire().await else {
            return Err(Refusal::Unchecked("the agent stops".to_owned()));
        };
        let user = self.user(token).await?;
        let name = shown(user.username.as_deref().unwrap_or_default());
        let access = |view| Access {
            user: name.clone(),
            view,
        };
        if self.may(&user, None).await? {
            return Ok(access(View::everything()));
        }
        if namespaces.is_empty() {
            return Err(Refusal::Forbidden {
                user: name,
                namespace: None,
                hint: ", or name the namespaces that you may see",
            });
        }
        for namespace in namespaces {
            if !self.may(&user, Some(namespace)).await? {
                return Err(Refusal::Forbidden {
                    user: name,
                    namespace: Some(namespace.clone()),
                    hint: "",
                });
            }
        }
        Ok(access(View::of(namespaces.to_vec())))
    }

    /// Whose token it is.
    async fn user(&self, token: &str) -> Result<UserInfo, Refusal> {
        let audiences = self.audience.clone().map(|audience| vec![audience]);
        let review = TokenReview {
            spec: TokenReviewSpec {
                token: Some(token.to_owned()),
                audiences: audiences.clone(),
            },
            ..TokenReview::default()
        };
        let api: Api<TokenReview> = Api::all(self.client.clone());
        let made = api.create(&PostParams::default(), &review).await;
        let status = made.map_err(|error| unchecked("tokenreviews", &error))?.status;
        let status = status.unwrap_or_default();
        // A server that knows nothing of audiences would take any.
        let is_meant = audiences.is_none_or(|wanted| {
            let meant = status.audiences.unwrap_or_default();
            wanted.iter().any(|audience| meant.contains(audience))
        });
        let user = status.user.unwrap_or_default();
        let is_named = user.username.as_deref().is_some_and(|name| !name.is_empty());
        if status.authenticated == Some(true) && is_meant && is_named {
            Ok(user)
        } else {
            Err(Refusal::Unknown)
        }
    }

    async fn may(&self, user: &UserInfo, namespace: Option<&str>) -> Result<bool, Refusal> {
        let text = |text: &str| Some(text.to_owned());
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: user.username.clone(),
                groups: user.groups.clone(),
                uid: user.uid.clone(),
                extra: user.extra.clone().filter(|extra| !BTreeMap::is_empty(extra)),
                resource_attributes: Some(ResourceAttributes {
                    group: text(GROUP),
                    resource: text(RESOURCE),
                    verb: text(VERB),
                    namespace: namespace.map(str::to_owned),
                    ..ResourceAttributes::default()
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let api: Api<SubjectAccessReview> = Api::all(self.client.clone());
        let made = api.create(&PostParams::default(), &review).await;
        let status = made
            .map_err(|error| unchecked("subjectaccessreviews", &error))?
            .status;
        Ok(status.is_some_and(|status| status.allowed && status.denied != Some(true)))
    }

    fn remember(&self, digest: [u8; 32], answer: Result<Access, Refusal>) {
        let now = Instant::now();
        let mut known = self.known();
        if known.len() >= MOST_KNOWN {
            known.retain(|_, known| now < known.until);
        }
        // Full of what holds: somebody tries many.
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        let until = now + HOLDS;
        known.insert(digest, Known { until, answer });
    }

    fn known(&self) -> MutexGuard<'_, HashMap<[u8; 32], Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why the API server did not say. Its own words go to the log only: they may name what it was sent.
fn unchecked(resource: &str, error: &Error) -> Refusal {
    Refusal::Unchecked(match error {
        Error::Api(status) => format!(
            "the API server answers {} to a request to create {resource}; see deploy/kubernetes/overlays/tail",
            status.code
        ),
        _ => "the API server can not be reached; try again later".to_owned(),
    })
}

fn shown(name: &str) -> String {
    escape(name).chars().take(LONGEST_NAME).collect()
}

/// Lengths first, so that no two questions are one.
fn digest(token: &str, namespaces: &[String]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for text in std::iter::once(token).chain(namespaces.iter().map(String::as_str)) {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    hash.finalize().into()
}

#[cfg(test)]
pub(super) mod tests;
