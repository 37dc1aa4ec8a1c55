//! The gRPC server: services, health, reflection (v1 and v1alpha), grpc-web, keepalive and limits.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tonic::transport::Server;
use usher_proto::v1::admin_service_server::AdminServiceServer;
use usher_proto::v1::agent_service_server::AgentServiceServer;
use usher_proto::v1::contact_service_server::ContactServiceServer;
use usher_proto::v1::supervisor_service_server::SupervisorServiceServer;

use super::deadline::Deadlines;
use super::incoming::connections;
use super::{Edge, Probe};
use crate::reload::Reload;
use crate::shard::ShardHandle;
use crate::view::Views;

/// Room for a whole configuration file in one request, and for the rest of it.
const CONFIG_BYTES: usize = crate::config::FILE_BYTES as usize + (1 << 20);

/// What one connection may have on its way to us that was not read yet. h2 takes half of it as its budget for small DATA
/// frames and closes a connection that goes beyond: with its default of 1 MiB a gateway that sends a thousand commands a
/// second, a frame each, was cut off with ENHANCE_YOUR_CALM when the disk stalled for three seconds.
const CONNECTION_WINDOW: u32 = 8 << 20;

/// How the server treats its clients.
#[derive(Clone, Debug)]
pub struct Options {
    /// Connections at once; the next waits.
    pub connections: usize,
    /// Largest message read, in bytes.
    pub max_message_bytes: usize,
    /// Streams one connection may have open.
    pub max_streams: u32,
    /// Events that may wait for one reader before it is too slow.
    pub stream_buffer: usize,
    /// How long a unary request may take; a client's own deadline counts when it is shorter.
    pub request_timeout: Duration,
    /// How often an idle connection is pinged.
    pub keepalive_interval: Duration,
    /// How long a ping may go unanswered.
    pub keepalive_timeout: Duration,
}

/// What is behind the services.
pub type Rooms = (ShardHandle, Arc<Views>, Arc<Reload>, Probe);

/// Serves until `shutdown` resolves, then lets what is under way end.
///
/// # Errors
/// When the listener or the reflection data fails.
pub async fn serve(
    listener: TcpListener,
    rooms: Rooms,
    options: Options,
    health: tonic_health::server::HealthReporter,
    health_service: tonic_health::pb::health_server::HealthServer<impl tonic_health::pb::health_server::Health>,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let edge = Edge::new(rooms, options.clone());
    let most = options.max_message_bytes;
    let contacts = ContactServiceServer::new(edge.clone()).max_decoding_message_size(most);
    let agents = AgentServiceServer::new(edge.clone()).max_decoding_message_size(most);
    let supervisors = SupervisorServiceServer::new(edge.clone()).max_decoding_message_size(most);
    let admins = AdminServiceServer::new(edge)
        .max_decoding_message_size(most.max(CONFIG_BYTES))
        .max_encoding_message_size(usize::MAX);
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(usher_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    health.set_serving::<ContactServiceServer<Edge>>().await;
    health.set_serving::<AgentServiceServer<Edge>>().await;
    health.set_serving::<SupervisorServiceServer<Edge>>().await;
    health.set_serving::<AdminServiceServer<Edge>>().await;
    let incoming = connections(listener, options.connections);
    Server::builder()
        .accept_http1(true)
        .timeout(options.request_timeout)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(options.max_streams)
        .http2_keepalive_interval(Some(options.keepalive_interval))
        .http2_keepalive_timeout(Some(options.keepalive_timeout))
        .layer(tower_http::cors::CorsLayer::permissive())
        .layer(tonic_web::GrpcWebLayer::new())
        .layer(Deadlines { longest: options.request_timeout })
        .add_service(health_service)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
        .add_service(contacts)
        .add_service(agents)
        .add_service(supervisors)
        .add_service(admins)
        .serve_with_incoming_shutdown(incoming, shutdown)
        .await?;
    Ok(())
}
