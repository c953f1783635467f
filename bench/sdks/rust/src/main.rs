// SPDX-License-Identifier: Apache-2.0
//! Measures what the SDK for Rust costs over its own generated stubs. See scripts/bench-sdks.sh.

use std::env;
use std::pin::pin;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};
use skep_sdk::v1::service_service_client::ServiceServiceClient;
use skep_sdk::v1::watch_response::event::Object;
use skep_sdk::v1::watch_service_client::WatchServiceClient;
use skep_sdk::v1::{
    CreateServiceRequest, DeleteServiceRequest, GetServiceRequest, GetServiceResponse, Process,
    Replicated, Service, ServiceFilter, ServiceSpec, TaskTemplate, WatchRequest, service_spec,
    task_template,
};
use skep_sdk::{Client, Code, Context, Status, TryStreamExt, WatchEvent};
use tonic::transport::{Channel, Endpoint};

/// What is read; it is made first, so its history is what is watched.
const SERVICE: &str = "bench-sdks";

/// Services that are made and removed after it: that is the history.
const OTHERS: usize = 500;

/// What goes before each part.
const WARM_UP: Duration = Duration::from_millis(20);

/// What is measured of a row: bare, SDK, bare, SDK, ..., bare.
#[derive(Clone, Copy)]
struct Plan {
    /// How long each part is.
    length: Duration,
    /// How often the SDK has its turn.
    rounds: usize,
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = env::args().skip(1);
    let row = args.next().context("which row: get-1, get-16 or watch?")?;
    let length = Duration::from_secs_f64(args.next().context("how many seconds?")?.parse()?);
    let rounds = args.next().context("how many rounds?")?.parse()?;
    let plan = Plan { length, rounds };
    let client = Client::connect(&Context::from_env()?).await?;
    let bare = Endpoint::from_shared(env::var("SKEP_HOST")?)?
        .connect()
        .await?;
    let read = prepare(&client).await?;
    match row.as_str() {
        "get-1" => calls(&client, &bare, 1, plan).await,
        "get-16" => calls(&client, &bare, 16, plan).await,
        "watch" => events(&client, &bare, &read, plan).await,
        _ => bail!("there is no row {row:?}; there are get-1, get-16, watch"),
    }
}

/// Reads the service, as often as it goes.
async fn calls(client: &Client, bare: &Channel, callers: usize, plan: Plan) -> Result<()> {
    let bare = || {
        let mut stub = ServiceServiceClient::new(bare.clone());
        async move || stub.get_service(read_request()).await.map(|_| 1)
    };
    let sdk = || {
        let mut stub = client.services();
        async move || stub.get_service(read_request()).await.map(|_| 1)
    };
    measure("bare", callers, plan.length, bare).await?;
    for _ in 0..plan.rounds {
        measure("sdk", callers, plan.length, sdk).await?;
        measure("bare", callers, plan.length, bare).await?;
    }
    Ok(())
}

/// Watches the history, as often as it goes.
async fn events(
    client: &Client,
    bare: &Channel,
    read: &GetServiceResponse,
    plan: Plan,
) -> Result<()> {
    let meta = read.service.as_ref().and_then(|found| found.meta.as_ref());
    let first = meta.context("the service has no meta")?.create_revision;
    let last = read.revision;
    let bare = || {
        let stub = WatchServiceClient::new(bare.clone());
        async move || follow_bare(stub.clone(), first, last).await
    };
    let sdk = || async move || follow_sdk(client, first, last).await;
    measure("bare", 1, plan.length, bare).await?;
    for _ in 0..plan.rounds {
        measure("sdk", 1, plan.length, sdk).await?;
        measure("bare", 1, plan.length, bare).await?;
    }
    Ok(())
}

/// Repeats something for a while and prints how much of it went a second, and what CPU time of
/// this process one took, in microseconds.
async fn measure<F, E>(
    side: &str,
    callers: usize,
    length: Duration,
    caller: impl Fn() -> F,
) -> Result<()>
where
    F: AsyncFnMut() -> Result<usize, E>,
    E: std::error::Error + Send + Sync + 'static,
{
    repeat(callers, WARM_UP, &caller).await?;
    let (began, cpu) = (Instant::now(), cpu_time()?);
    let count = repeat(callers, length, &caller).await?;
    #[expect(clippy::cast_precision_loss, reason = "counts of seconds are small")]
    let count = count as f64;
    let rate = count / began.elapsed().as_secs_f64();
    let used = (cpu_time()? - cpu).as_secs_f64() * 1e6 / count;
    println!("{side} {rate:.1} {used:.2}");
    Ok(())
}

/// Lets callers do something over and over, and sums up.
async fn repeat<F, E>(callers: usize, length: Duration, caller: &impl Fn() -> F) -> Result<usize, E>
where
    F: AsyncFnMut() -> Result<usize, E>,
{
    let until = Instant::now() + length;
    let all = (0..callers).map(|_| async {
        let mut once = caller();
        let mut count = 0;
        while Instant::now() < until {
            count += once().await?;
        }
        Ok(count)
    });
    // The callers share a task: spread over threads, their wake-ups would be what is measured.
    let counts = futures::future::try_join_all(all).await?;
    Ok(counts.into_iter().sum())
}

fn read_request() -> GetServiceRequest {
    GetServiceRequest {
        service: SERVICE.to_owned(),
        ..GetServiceRequest::default()
    }
}

fn watch_request(first: u64) -> WatchRequest {
    WatchRequest {
        services: Some(ServiceFilter::default()),
        after_revision: first,
        ..WatchRequest::default()
    }
}

fn has_id(service: &Service) -> bool {
    service
        .meta
        .as_ref()
        .is_some_and(|meta| !meta.id.is_empty())
}

/// Does what any program has to: it looks at each event.
async fn follow_bare(
    mut stub: WatchServiceClient<Channel>,
    first: u64,
    last: u64,
) -> Result<usize, Status> {
    let mut frames = stub.watch(watch_request(first)).await?.into_inner();
    let mut count = 0;
    while let Some(frame) = frames.message().await? {
        let services = frame.events.iter().filter_map(|event| match &event.object {
            Some(Object::Service(service)) => Some(service),
            _ => None,
        });
        count += services.filter(|service| has_id(service)).count();
        if frame.revision >= last {
            return Ok(count);
        }
    }
    Err(Status::unavailable("the server ended the watch"))
}

/// The same through the SDK.
async fn follow_sdk(client: &Client, first: u64, last: u64) -> Result<usize, skep_sdk::Error> {
    let mut events = pin!(client.watch::<Service>(watch_request(first)));
    let mut count = 0;
    while let Some(event) = events.try_next().await? {
        match event {
            WatchEvent::Progress { revision, .. } if revision >= last => break,
            WatchEvent::Added(service)
            | WatchEvent::Changed(service)
            | WatchEvent::Left(service)
            | WatchEvent::Deleted(service) => count += usize::from(has_id(&service)),
            WatchEvent::Reset(_) | WatchEvent::Progress { .. } => {}
        }
    }
    Ok(count)
}

/// Makes what is measured, unless it is there.
async fn prepare(client: &Client) -> Result<GetServiceResponse> {
    match client.services().get_service(read_request()).await {
        Err(status) if status.code() == Code::NotFound => {}
        answer => return Ok(answer?.into_inner()),
    }
    create(client, SERVICE.to_owned()).await?;
    for number in 0..OTHERS {
        let name = format!("{SERVICE}-{number}");
        create(client, name.clone()).await?;
        let request = DeleteServiceRequest {
            service: name,
            ..DeleteServiceRequest::default()
        };
        client.services().delete_service(request).await?;
    }
    let answer = client.services().get_service(read_request()).await?;
    Ok(answer.into_inner())
}

/// Makes a service without tasks: they would change while it is measured.
async fn create(client: &Client, name: String) -> Result<()> {
    let process = Process {
        command: vec!["/bin/sleep".to_owned(), "600".to_owned()],
        ..Process::default()
    };
    let template = TaskTemplate {
        workload: Some(task_template::Workload::Process(process)),
        ..TaskTemplate::default()
    };
    let labels = [("app", "bench"), ("tier", "web")];
    let spec = ServiceSpec {
        name,
        labels: labels
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        mode: Some(service_spec::Mode::Replicated(Replicated {
            replicas: Some(0),
        })),
        template: Some(template),
        ..ServiceSpec::default()
    };
    let request = CreateServiceRequest {
        spec: Some(spec),
        ..CreateServiceRequest::default()
    };
    client.services().create_service(request).await?;
    Ok(())
}

/// What this process has used.
fn cpu_time() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let micros = [usage.user_time(), usage.system_time()]
        .map(|time| time.tv_sec() * 1_000_000 + time.tv_usec());
    Ok(Duration::from_micros(u64::try_from(
        micros.iter().sum::<i64>(),
    )?))
}
