// SPDX-License-Identifier: Apache-2.0
//! The same services over the real store, on a disk that can be filled.

use std::sync::Arc;
use std::time::Duration;

use skep_core::model::{NodeId, SwarmId, SwarmSpec, Timestamp};
use skep_core::state::{Change, Write};
use skep_core::testing::create_node;
use skep_proto::v1;
use skep_proto::v1::ErrorReason;
use skep_store::fs::{Loss, SimFs};
use skep_store::log::WalOptions;
use skep_store::{Member, Store, StoreOptions};
use tonic::transport::Channel;

use super::desk::{failed, serve, spec, told};
use super::stand_ins::{StandClock, StandDaemon, StandFacts, StandStreams};
use crate::api::Api;
use crate::member::{Manager, Membership};
use crate::stored::StoredCluster;

type Client = v1::service_service_client::ServiceServiceClient<Channel>;

async fn open(fs: &SimFs) -> Store {
    let options = StoreOptions {
        fs: Arc::new(fs.for_one_life()),
        wal: WalOptions {
            segment_bytes_first: 16 << 10,
            segment_bytes_max: 64 << 10,
        },
        ..StoreOptions::new("/data/manager")
    };
    let store = Store::open(options).await.expect("it opens");
    let member = Member {
        node: NodeId(1),
        address: "127.0.0.1:2377".to_owned(),
    };
    store.found(member).await.expect("it is founded");
    let recovered = store.recovered(Duration::from_secs(60)).await;
    recovered.expect("it recovers");
    if store.view().state().swarm().is_none() {
        let swarm = Write::PutSwarm {
            id: SwarmId(1),
            spec: Arc::new(SwarmSpec::default()),
        };
        let found = Change {
            writes: vec![swarm, create_node(1)],
            time: Timestamp::from_millis(1_000),
            ..Change::default()
        };
        let founded = store.proposer().propose(found).await;
        assert_eq!(founded.expect("it has room").outcome, Ok(()));
    }
    store
}

async fn client(store: &Store) -> Channel {
    let membership = Arc::new(Membership::outside());
    membership.join(Manager {
        cluster: Arc::new(StoredCluster::new(store.clone())),
        facts: Arc::new(StandFacts),
        streams: Arc::new(StandStreams),
        clock: Arc::new(StandClock),
        waits: crate::waits::Waits::default(),
    });
    let daemon = Arc::new(StandDaemon::default());
    serve(&Api { membership, daemon }).await.0
}

fn create(name: &str) -> v1::CreateServiceRequest {
    v1::CreateServiceRequest {
        spec: Some(spec(name)),
        request_id: format!("create-{name}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_is_there_after_a_crash() {
    let fs = SimFs::new(1);
    let store = open(&fs).await;
    let channel = client(&store).await;
    let first = Client::new(channel.clone())
        .create_service(create("web"))
        .await;
    let first = first.expect("nothing is wrong").into_inner();
    store.shutdown().await;
    drop(store);
    fs.crash(Loss::Everything);
    let store = open(&fs).await;
    let mut again = Client::new(client(&store).await);
    let repeated = again
        .create_service(create("web"))
        .await
        .expect("it is remembered");
    assert_eq!(repeated.into_inner(), first);
    store.shutdown().await;
    let stopped = again
        .create_service(create("api"))
        .await
        .expect_err("it has stopped");
    assert_eq!(stopped.code(), tonic::Code::Unavailable);
    assert_eq!(told(&stopped).reason, "MANAGER_NOT_READY");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_reads_go_on() {
    let fs = SimFs::new(1);
    let store = open(&fs).await;
    let channel = client(&store).await;
    let mut services = Client::new(channel);
    fs.set_capacity(60 << 10);
    let mut number = 0;
    let full = loop {
        number += 1;
        match services.create_service(create(&format!("s{number}"))).await {
            Ok(_) => {}
            Err(status) => break status,
        }
    };
    assert_eq!(full.code(), tonic::Code::Unavailable);
    let full = told(&full);
    assert_eq!(full.reason, "STORAGE_FAILED");
    assert!(
        full.metadata["path"].starts_with("/data/manager"),
        "{full:?}"
    );
    assert!(full.metadata["cause"].contains("No space left"), "{full:?}");
    let linearizable = services
        .list_services(v1::ListServicesRequest::default())
        .await;
    let told = told(&linearizable.expect_err("nobody confirms it"));
    assert_eq!(told.reason, "STORAGE_FAILED");
    let local = v1::ListServicesRequest {
        page_size: 1_000,
        consistency: super::samples::local(),
        ..v1::ListServicesRequest::default()
    };
    let local = services
        .list_services(local)
        .await
        .expect("what is here can be read");
    assert_eq!(local.into_inner().services.len(), number - 1);
    let missing = v1::GetServiceRequest {
        service: "none".to_owned(),
        consistency: super::samples::local(),
    };
    let missing = services.get_service(missing).await;
    let metadata = [("kind", "service"), ("name", "none")];
    failed(missing, ErrorReason::ObjectNotFound, &metadata);
    store.shutdown().await;
}
