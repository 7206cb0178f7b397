//! What policy costs: judging a detection, and reading policies again, by the number of rules.
//!
//! Goes in: made-up policies. Comes out: nanoseconds a detection where the same flows come again, where
//! each has a field that was never seen, and where each has a sender that was never seen; and
//! milliseconds from text to policies in force, the search for conflicts included.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, anyhow};
use auditor::content::Field;
use auditor::detect::{Confidence, Detection, State, catalogue};
use auditor::policy::compile::Policies;
use auditor::policy::load::parse;
use auditor::policy::names::Names;
use auditor::policy::{Judge, Live};
use auditor::protocol::{Direction, Place};
use auditor::report::finding::{End, Flow, Workload};
use auditor::report::observation::Observation;

/// `auditor-bench judge`.
#[derive(clap::Args)]
pub struct Arguments {
    /// How often each measurement is repeated; the median counts
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    repeat: u16,
    /// Detections of each measurement
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1000..))]
    detections: u32,
    /// End with 1 when a goal is missed
    #[arg(long)]
    check: bool,
    /// Not used: nothing is started
    #[arg(long, value_name = "PATH", hide = true)]
    auditor: Option<PathBuf>,
}

/// Different flows that come again and again.
const FLOWS: usize = 512;
/// Nanoseconds a detection with a thousand rules.
const JUDGE_GOAL: f64 = 1000.0;
/// Milliseconds to read a thousand rules.
const RELOAD_GOAL: f64 = 50.0;

/// Measures and prints.
///
/// # Errors
/// When a made-up policy is refused: a mistake here.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let _ = &arguments.auditor;
    let mut met = true;
    println!(
        "| rules | ns a detection, flows come again | each field is new | each sender is new | ms to read |"
    );
    println!("|---|---|---|---|---|");
    let mixed = [10, 100, 1000, 10_000].map(|rules| (rules, false));
    for (rules, is_alike) in mixed.into_iter().chain([(1000, true)]) {
        let text = policy(rules, is_alike);
        let mut reload = Vec::new();
        let mut policies = Policies::none();
        for _ in 0..arguments.repeat {
            let start = Instant::now();
            policies = read(&text)?;
            reload.push(start.elapsed().as_secs_f64() * 1000.0);
        }
        let mut rows = Vec::new();
        for fresh in [Fresh::Nothing, Fresh::Field, Fresh::Sender] {
            let mut times = Vec::new();
            for _ in 0..arguments.repeat {
                // What is new takes longer, so fewer do.
                let share = if fresh == Fresh::Nothing { 1 } else { 10 };
                times.push(judge(&policies, rules, arguments.detections / share, fresh)?);
            }
            rows.push(median(&mut times));
        }
        let reload = median(&mut reload);
        let alike = if is_alike { " of fields that end alike" } else { "" };
        println!(
            "| {rules}{alike} | {:.0} | {:.0} | {:.0} | {reload:.1} |",
            rows[0], rows[1], rows[2]
        );
        if rules == 1000 {
            met &= rows[0].max(rows[1]) < JUDGE_GOAL && (is_alike || reload < RELOAD_GOAL);
        }
    }
    println!(
        "goals with 1000 rules, under {JUDGE_GOAL} ns a detection, of fields that come again and new ones, and {RELOAD_GOAL} ms to read: {}",
        if met { "met" } else { "MISSED" }
    );
    Ok(ExitCode::from(u8::from(arguments.check && !met)))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fresh {
    Nothing,
    Field,
    Sender,
}

/// Nanoseconds a detection.
fn judge(policies: &Policies, rules: usize, detections: u32, fresh: Fresh) -> anyhow::Result<f64> {
    let mut judge = Judge::new(Live::new(policies.clone()).into());
    let mut flows: Vec<Observation> = (0..FLOWS)
        .map(|n| observation(n, rules))
        .collect::<Result<_, _>>()?;
    let now = "2026-01-01T00:00:00Z".parse()?;
    for flow in &flows {
        judge.judge(flow, now);
    }
    // What is new is made before the clock starts, in portions.
    let mut spent = 0.0;
    let mut judged = 0;
    while judged < detections {
        for (n, flow) in flows.iter_mut().enumerate() {
            let number = judged as usize + n;
            match fresh {
                Fresh::Nothing => (),
                Fresh::Field => flow.detection.field.path = Some(format!("$.new[{number}].card.number")),
                Fresh::Sender => flow.source = workload(number % rules, number),
            }
        }
        let start = Instant::now();
        for flow in &flows {
            std::hint::black_box(judge.judge(flow, now));
        }
        spent += start.elapsed().as_secs_f64();
        judged += FLOWS as u32;
    }
    Ok(spent * 1e9 / f64::from(judged))
}

fn read(text: &str) -> anyhow::Result<Policies> {
    let mut loaded = Vec::new();
    parse(text, "made up", &mut loaded)?;
    Policies::checked(&loaded, Names::new(&[]), "2026-01-01T00:00:00Z".parse()?)
        .map_err(|problems| anyhow!("{}", problems[0]))
}

/// Rules as an installation has them: most about one workload, some about a namespace, a field or an
/// operation, all about cards, so that the kind of data tells none apart. Or all about fields that end alike, which are those
/// that are judged.
fn policy(rules: usize, is_alike: bool) -> String {
    let mut text = String::from(
        "apiVersion: auditor.dev/v1alpha1\nkind: ClusterDataFlowPolicy\nmetadata: {name: made-up}\nspec:\n  rules:\n",
    );
    for n in 0..rules {
        let space = n % 50;
        // Rules that are equally specific decide differently, so that conflicts have to be looked for.
        let action = if n / 10 % 2 == 0 { "allow" } else { "report" };
        let rule = match n % 10 {
            _ if is_alike => format!("fields: ['$.new{n}*.card.number'], action: {action}"),
            0 => format!("from: namespace=team-{n}, action: {action}"),
            1 => format!("fields: ['$.*.debug{n}.**'], action: {action}"),
            2 => format!("to: 'external,host=*.partner{n}.example', action: {action}"),
            3 => format!("operations: ['POST /v{n}/*'], action: {action}"),
            _ => format!(
                "from: 'namespace=team-{space},workload=Deployment/service-{n}', to: external, operations: ['POST /v1/*'], transport: {{encrypted: required}}, action: {action}"
            ),
        };
        let _ = writeln!(
            text,
            "    - {{name: rule-{n}, data: {{detectors: [payment_card]}}, {rule}}}"
        );
    }
    text
}

fn workload(n: usize, replica: usize) -> End {
    End {
        workload: Some(Workload {
            namespace: Some(format!("team-{}", n % 50)),
            kind: "Deployment".to_owned(),
            name: format!("service-{n}"),
        }),
        pod: Some(auditor::report::finding::Pod {
            uid: "u".to_owned(),
            name: Some(format!("service-{n}-{replica}")),
        }),
        address: Some("10.0.0.5:4000".to_owned()),
        ..End::default()
    }
}

pub(crate) fn observation(n: usize, rules: usize) -> anyhow::Result<Observation> {
    let row = catalogue::find("payment_card").context("a detector of the catalogue")?;
    Ok(Observation {
        detection: Detection {
            detector: row.id,
            row,
            state: State::Clear,
            confidence: Confidence::High,
            score_bits: 17.0,
            evidence: Vec::new(),
            declared_masked: false,
            under_masked: false,
            extra_regulations: &[],
            sample: String::new(),
            length: 16,
            fingerprint: String::new(),
            range: 0..16,
            field: Field {
                path: Some(format!("$.orders[{}].card.number", n % 8)),
                ..Field::default()
            },
        },
        category: row.category,
        regulations: row.regulations,
        severity: row.severity,
        flow: Flow {
            protocol: "http/1.1",
            operation: Some("POST /v1/charges/{id}".to_owned()),
            status: Some(200),
            encrypted: true,
            captured_by: "openssl",
            connection: "1".to_owned(),
            hops: 0,
        },
        source: workload(n * 7 % rules, 0),
        destination: End {
            address: Some("203.0.113.9:443".to_owned()),
            host: Some("api.payments.example".to_owned()),
            ..End::default()
        },
        place: Place::RequestBody,
        direction: Direction::ToServer,
        offset: 0,
        content_type: None,
        time: "2026-01-01T00:00:00Z".parse()?,
    })
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
