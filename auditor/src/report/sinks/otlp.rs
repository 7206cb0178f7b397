//! Findings as OpenTelemetry log records, by the OpenTelemetry Protocol (OTLP 1.x) over gRPC or HTTP.
//!
//! Goes in: batches. Comes out: one export request each. The body of a record is the finding's JSON, the
//! same as in the journal; what one filters and counts by is in attributes beside it, so that a collector
//! can route and an engine can aggregate without parsing. [`record`] is the list of them.

mod record;

use std::path::PathBuf;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use prost::Message as _;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Client, Url};
use serde::Deserialize;
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status};

use super::format::Format;
use super::remote::{Accepted, Failure, Target};
use super::spool::Record;
use super::tls::{self, SetupError, Tls};
pub use record::Resource;

const KEY: &str = "report.otlp";
/// Largest answer that is read, bytes.
const MOST_ANSWER: usize = 64 << 10;

/// How requests travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// By convention on port 4317.
    #[default]
    Grpc,
    /// Protobuf over HTTP, by convention on port 4318.
    Http,
}

/// Where the collector is.
#[derive(Clone, Debug)]
pub struct Settings {
    pub endpoint: String,
    pub protocol: Protocol,
    pub headers_file: Option<PathBuf>,
    pub tls: Tls,
    pub format: Format,
    pub timeout: Duration,
    pub resource: Resource,
}

enum Carrier {
    Grpc {
        client: LogsServiceClient<Channel>,
        headers: MetadataMap,
    },
    Http {
        client: Client,
        url: Url,
        headers: HeaderMap,
    },
}

/// A collector.
pub struct Otlp {
    carrier: Carrier,
    format: Format,
    resource: Resource,
}

impl Otlp {
    /// To be called inside of the runtime that sends. Nothing is connected yet.
    ///
    /// # Errors
    /// When the address, a certificate or a header can not be used.
    pub fn new(settings: Settings) -> Result<Self, SetupError> {
        let url = tls::url("report.otlp.endpoint", &settings.endpoint)?;
        let headers = tls::headers("report.otlp.headers_file", settings.headers_file.as_deref())?;
        let carrier = match settings.protocol {
            Protocol::Http => Carrier::Http {
                client: tls::client(KEY, &settings.tls, settings.timeout)?,
                url: logs_of(url),
                headers,
            },
            Protocol::Grpc => Carrier::Grpc {
                client: LogsServiceClient::new(channel(&url, &settings)?)
                    .send_compressed(CompressionEncoding::Gzip),
                headers: MetadataMap::from_headers(headers),
            },
        };
        Ok(Self {
            carrier,
            format: settings.format,
            resource: settings.resource,
        })
    }

    fn request(&self, batch: &[Record]) -> Result<ExportLogsServiceRequest, Failure> {
        let never = |error: serde_json::Error| Failure::Never {
            why: error.to_string(),
        };
        let records: Result<Vec<_>, _> = batch
            .iter()
            .map(|waiting| record::of(&waiting.json, self.format))
            .collect();
        Ok(self.resource.request(records.map_err(never)?))
    }
}

/// The base address of a collector, or the whole one that ends in /v1/logs.
fn logs_of(mut url: Url) -> Url {
    if !url.path().ends_with("/v1/logs") {
        let path = format!("{}/v1/logs", url.path().trim_end_matches('/'));
        url.set_path(&path);
    }
    url
}

fn channel(url: &Url, settings: &Settings) -> Result<Channel, SetupError> {
    let failed = |error: tonic::transport::Error| SetupError::Client(KEY, tls::said(&error));
    let mut endpoint = Endpoint::from_shared(url.to_string())
        .map_err(failed)?
        .connect_timeout(settings.timeout)
        .timeout(settings.timeout)
        .http2_keep_alive_interval(Duration::from_secs(60));
    if url.scheme() == "https" {
        let material = settings.tls.read(KEY)?;
        let mut config = ClientTlsConfig::new();
        config = match material.ca {
            Some(ca) => config.ca_certificate(Certificate::from_pem(ca)),
            None => config.with_native_roots(),
        };
        if let Some((cert, key)) = material.own {
            config = config.identity(Identity::from_pem(cert, key));
        }
        endpoint = endpoint.tls_config(config).map_err(failed)?;
    }
    Ok(endpoint.connect_lazy())
}

impl Target for Otlp {
    async fn send(&mut self, batch: &[Record]) -> Result<Accepted, Failure> {
        let export = self.request(batch)?;
        let answer = match &mut self.carrier {
            Carrier::Grpc { client, headers } => {
                let request = Request::from_parts(headers.clone(), tonic::Extensions::default(), export);
                let answer = client.export(request).await;
                answer.map_err(|status| failure(&status))?.into_inner()
            }
            Carrier::Http { client, url, headers } => {
                let request = client
                    .post(url.clone())
                    .headers(headers.clone())
                    .header(CONTENT_TYPE, "application/x-protobuf")
                    .body(export.encode_to_vec());
                let response = request.send().await;
                let response =
                    response.map_err(|error| Failure::transport(tls::said(&error.without_url())))?;
                tls::judged(&response)?;
                answer(response).await?
            }
        };
        Ok(accepted(answer, batch.len()))
    }
}

/// What a collector says it rejects of a batch, which is no more than was in it.
fn accepted(answer: ExportLogsServiceResponse, sent: usize) -> Accepted {
    let partial = answer.partial_success.unwrap_or_default();
    let refused = u64::try_from(partial.rejected_log_records).unwrap_or(0);
    Accepted {
        refused: refused.min(sent as u64),
    }
}

/// An answer that is none counts as one that says all is well, as the status did.
async fn answer(mut response: reqwest::Response) -> Result<ExportLogsServiceResponse, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| Failure::transport(tls::said(&error.without_url())))?
    {
        if body.len() + chunk.len() > MOST_ANSWER {
            return Ok(ExportLogsServiceResponse::default());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(ExportLogsServiceResponse::decode(body.as_slice()).unwrap_or_default())
}

/// Of what went wrong, only what is wrong with the batch itself is final. The protocol calls more of it
/// final, a wrong token for one; but that is repaired, and a finding is kept until then.
fn failure(status: &Status) -> Failure {
    let why = format!(
        "the collector answers {:?}: {}",
        status.code(),
        tls::shown(status.message())
    );
    match status.code() {
        Code::InvalidArgument => Failure::Never { why },
        Code::OutOfRange => Failure::TooLarge { why },
        Code::ResourceExhausted if status.message().contains("larger than max") => Failure::TooLarge { why },
        Code::Unavailable | Code::Unknown | Code::Cancelled => Failure::transport(why),
        Code::DeadlineExceeded => Failure::Again {
            reason: "timeout",
            why,
            after: None,
        },
        _ => Failure::Again {
            reason: "status",
            why,
            after: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_logs_is_found_once() {
        for (given, wanted) in [
            ("http://collector:4318", "http://collector:4318/v1/logs"),
            ("http://collector:4318/", "http://collector:4318/v1/logs"),
            ("https://x/otlp", "https://x/otlp/v1/logs"),
            ("https://x/otlp/v1/logs", "https://x/otlp/v1/logs"),
        ] {
            assert_eq!(logs_of(given.parse().unwrap()).as_str(), wanted);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_answer_of_a_collector_panics_or_refuses_more_than_was_sent(
            bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300),
            rejected in proptest::prelude::any::<i64>(),
            message in "\\PC{0,40}",
            sent in 0_usize..300,
        ) {
            use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsPartialSuccess;
            let told = ExportLogsServiceResponse {
                partial_success: Some(ExportLogsPartialSuccess {
                    rejected_log_records: rejected,
                    error_message: message,
                }),
            };
            let whole = told.encode_to_vec();
            for answer in [bytes.as_slice(), &whole, &whole[..whole.len() / 2], &[&whole[..], &bytes].concat()] {
                let answer = ExportLogsServiceResponse::decode(answer).unwrap_or_default();
                proptest::prop_assert!(accepted(answer, sent).refused <= sent as u64);
            }
            let refused = u64::try_from(rejected).unwrap_or(0).min(sent as u64);
            proptest::prop_assert_eq!(accepted(told, sent).refused, refused);
        }
    }

    #[test]
    fn only_what_is_wrong_with_the_batch_is_final() {
        let of = |code| failure(&Status::new(code, "x\u{1b}[31m"));
        assert!(matches!(of(Code::InvalidArgument), Failure::Never { why } if !why.contains('\u{1b}')));
        for code in [
            Code::Unauthenticated,
            Code::PermissionDenied,
            Code::Unimplemented,
            Code::Internal,
        ] {
            assert!(
                matches!(of(code), Failure::Again { reason: "status", .. }),
                "{code:?}"
            );
        }
        assert!(matches!(
            of(Code::Unavailable),
            Failure::Again {
                reason: "transport",
                ..
            }
        ));
    }
}
