//! gRPC: the edge where `usher.v1` requests become commands and engine values become responses.
//!
//! `convert` alone knows both sides, `status` has every refusal, `verbs` every mutation; the services are thin. Streams
//! are in `watch`, the bidirectional ones in `session`. Nothing here decides anything about routing.

mod admin;
pub mod against;
mod agents;
mod board;
pub mod client;
mod condition;
mod contacts;
pub mod convert;
mod deadline;
pub mod health;
pub mod import;
mod incoming;
pub mod names;
mod reports;
mod serve;
mod session;
pub mod status;
mod supervisor;
pub mod verbs;
mod watch;

pub use condition::{Journal, Machine, Probe};
pub use serve::{Options, Rooms, serve};

use std::sync::Arc;

use tonic::{Response, Status};

use crate::engine::state::State;
use crate::engine::time::Time;
use crate::reload::Reload;
use crate::shard::{Refused, ShardHandle};
use crate::view::fold::Books;
use crate::view::{View, Views};
use convert::input;
use status::{Problem, refused};
use verbs::{Context, Verb};

/// Methods of a service that are one verb each. Written out as `async_trait` would, which cannot see into a macro.
macro_rules! verb_methods {
    ($($method:ident($request:ident) -> $response:ident;)*) => {
        $(fn $method<'life0, 'async_trait>(
            &'life0 self,
            request: tonic::Request<pb::$request>,
        ) -> std::pin::Pin<Box<dyn Future<Output = Answer<pb::$response>> + Send + 'async_trait>>
        where
            'life0: 'async_trait,
            Self: 'async_trait,
        {
            Box::pin(self.unary(request))
        })*
    };
}
use verb_methods;

/// Methods whose capability comes with a later release.
macro_rules! later_methods {
    ($($method:ident($request:ident) -> $response:ident, $name:literal;)*) => {
        $(fn $method<'life0, 'async_trait>(
            &'life0 self,
            _: tonic::Request<pb::$request>,
        ) -> std::pin::Pin<Box<dyn Future<Output = Answer<pb::$response>> + Send + 'async_trait>>
        where
            'life0: 'async_trait,
            Self: 'async_trait,
        {
            Box::pin(async { crate::rpc::later($name) })
        })*
    };
}
use later_methods;

/// What every service shares.
#[derive(Clone)]
pub struct Edge {
    shard: ShardHandle,
    views: Arc<Views>,
    reload: Arc<Reload>,
    context: Arc<Context>,
    options: Arc<Options>,
    probe: Probe,
    boards: Arc<board::Boards>,
}

impl Edge {
    fn new((shard, views, reload, probe): Rooms, options: Options) -> Edge {
        let context = Arc::new(Context::new(shard.now()));
        Edge { shard, views, reload, context, options: Arc::new(options), probe, boards: Arc::default() }
    }

    /// What supervisors look at of a tenant.
    fn view(&self, tenant: &str) -> Result<Arc<View>, Problem> {
        self.views.find(input::tenant(tenant)).ok_or_else(|| refused(Refused::TenantUnknown))
    }

    /// Reads a tenant's books on a thread that may take its time.
    async fn books<T: Send + 'static>(
        &self,
        tenant: &str,
        read: impl FnOnce(&mut Books) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let (view, now) = (self.view(tenant)?, self.shard.now());
        tokio::task::spawn_blocking(move || view.read(now, read)).await.map_err(|_| refused(Refused::QueryFailed))
    }

    /// This edge, with what it hands in waiting until `shard.go()`.
    fn gathering(&self) -> Edge {
        Edge { shard: self.shard.gathering(), ..self.clone() }
    }

    /// Hands a mutation in; it is carried out whether or not the answer is awaited.
    fn verb<V: Verb>(
        &self,
        tenant: &str,
        verb: V,
        brief: bool,
    ) -> impl Future<Output = Result<V::Response, Problem>> + Send + use<V> {
        let show = verb.show(brief);
        let request = verbs::request(verb, &self.context);
        let done = request.map(|request| self.shard.ask(input::tenant(tenant), request, show));
        async { Ok(V::render(done?.await.map_err(V::problem)?)) }
    }

    async fn unary<V: Verb>(&self, request: tonic::Request<V>) -> Result<Response<V::Response>, Status> {
        let mut verb = request.into_inner();
        let tenant = std::mem::take(verb.tenant_mut());
        Ok(Response::new(self.verb(&tenant, verb, false).await?))
    }

    /// Hands a query in; its answer is there once the future is awaited.
    fn query<R, F>(&self, tenant: &str, read: F) -> impl Future<Output = Result<R, Problem>> + Send + use<R, F>
    where
        R: Send + 'static,
        F: FnOnce(&State, Time) -> R + Send + 'static,
    {
        let asked = self.shard.query(input::tenant(tenant), read);
        async { asked.await.map_err(refused) }
    }
}

/// The answer of a method whose capability comes with a later release.
fn later<T>(method: &str) -> Result<Response<T>, Status> {
    Err(Problem::unimplemented(method).into())
}
