//! Asking a server how it is: `usher health`.

use std::time::Duration;

use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::client;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether the server at `addr` (`host:port`) serves.
///
/// # Errors
/// When it cannot be reached or does not answer within 5 s.
pub fn check(addr: &str) -> anyhow::Result<bool> {
    client::ask(async {
        let mut client = HealthClient::new(client::channel(addr, Some(PATIENCE)).await?);
        let answer = client.check(HealthCheckRequest::default()).await?.into_inner();
        Ok(answer.status() == ServingStatus::Serving)
    })
}
