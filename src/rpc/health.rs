//! Asking a server how it is: `usher health`.

use std::time::Duration;

use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether the server at `addr` (`host:port`) serves.
///
/// # Errors
/// When it cannot be reached or does not answer within 5 s.
pub fn check(addr: &str) -> anyhow::Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{addr}"))?
            .connect_timeout(PATIENCE)
            .timeout(PATIENCE);
        let mut client = HealthClient::new(endpoint.connect().await?);
        let answer = client.check(HealthCheckRequest::default()).await?.into_inner();
        Ok(answer.status() == ServingStatus::Serving)
    })
}
