//! Many agents at once into a running server: `usher agents import`. Everything is checked before anything is changed,
//! by this program and then by the server; agents who are already as the list has them are left alone, so that a list
//! may be taken in again and again.

use std::collections::HashMap;
use std::time::Duration;

use tokio::task::JoinSet;
use tonic::Status;
use tonic::transport::Channel;
use tonic_types::StatusExt;
use usher_proto::v1;
use usher_proto::v1::admin_service_client::AdminServiceClient;
use usher_proto::v1::agent_service_client::AgentServiceClient;
use usher_proto::v1::supervisor_service_client::SupervisorServiceClient;

use super::client;
use super::convert::{input, output};
use crate::config::fault::Faults;
use crate::config::import::{Known, List};
use crate::engine::agent::AgentProfile;

/// How long a call may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Calls on their way at once.
const AT_ONCE: usize = 64;
/// Agents per page.
const PAGE: i32 = 1_000;

/// What becomes of the agents of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Those the server did not have.
    pub created: Vec<String>,
    /// Those it had otherwise.
    pub changed: Vec<String>,
    /// How many it had as they are listed.
    pub unchanged: usize,
}

/// Where a list goes, and whether it is only checked.
pub struct Target<'a> {
    /// The server's gRPC, `host:port`.
    pub addr: &'a str,
    /// The tenant.
    pub tenant: &'a str,
    /// Changes nothing.
    pub dry_run: bool,
}

/// Takes a list of agents into a server, `file` being its name in faults; `progress` is told how many of how many are
/// checked or done. All or nothing as long as nobody else changes the server meanwhile.
///
/// # Errors
/// When the server cannot be reached or fails; and within, every fault of the list.
pub fn agents(
    target: &Target<'_>,
    text: &str,
    file: &str,
    progress: &dyn Fn(usize, usize),
) -> anyhow::Result<Result<Taken, Faults>> {
    client::ask(async {
        let channel = client::channel(target.addr, Some(PATIENCE)).await?;
        let mut list = List::read(text, &known(&channel, target.tenant).await?);
        if !list.good() {
            return Ok(Err(list.finish(file)));
        }
        let held = held(&channel, target.tenant).await?;
        let mut taken = Taken::default();
        let mut asked = Vec::new();
        for (row, listed) in list.rows.iter().enumerate() {
            let id = listed.profile.agent_id.to_string();
            match held.get(&id) {
                Some(held) if *held == listed.profile => {
                    taken.unchanged += 1;
                    continue;
                }
                Some(_) => taken.changed.push(id),
                None => taken.created.push(id),
            }
            asked.push((row, output::agent_profile(&listed.profile)));
        }
        let all = asked.len() * if target.dry_run { 1 } else { 2 };
        let upserts = Upserts { channel, tenant: target.tenant, progress, all };
        for (row, refusal) in upserts.send(&asked, true, 0).await? {
            let (field, message) = told(&refusal);
            list.refuse(row, &field, &message);
        }
        if !list.good() {
            return Ok(Err(list.finish(file)));
        }
        if !target.dry_run {
            let refused = upserts.send(&asked, false, asked.len()).await?;
            if let Some((row, refusal)) = refused.first() {
                let (line, of) = (list.line(*row), asked.len());
                let (_, message) = told(refusal);
                anyhow::bail!(
                    "{file}:{line}: {message}; {} of {of} agents were taken in: the list may be taken in again",
                    of - refused.len()
                );
            }
        }
        Ok(Ok(taken))
    })
}

/// What a list may name: what the policy in force has.
async fn known(channel: &Channel, tenant: &str) -> anyhow::Result<Known> {
    let mut client = AdminServiceClient::new(channel.clone()).max_decoding_message_size(usize::MAX);
    let request = v1::GetConfigRequest { tenant: tenant.to_owned(), ..v1::GetConfigRequest::default() };
    let policy = client.get_config(request).await.map_err(client::refused)?.into_inner().config;
    Known::of(&policy).map_err(|error| anyhow::anyhow!("the server's policy cannot be read: {error}"))
}

/// The agents there are. Those on their way out come back when they are listed, so they count as others.
async fn held(channel: &Channel, tenant: &str) -> anyhow::Result<HashMap<String, AgentProfile>> {
    let mut client = AgentServiceClient::new(channel.clone()).max_decoding_message_size(usize::MAX);
    let mut held = HashMap::new();
    let mut request =
        v1::ListAgentsRequest { tenant: tenant.to_owned(), page_size: PAGE, ..v1::ListAgentsRequest::default() };
    loop {
        let page = client.list_agents(request.clone()).await.map_err(client::refused)?.into_inner();
        for agent in page.agents {
            let (id, apart) = (agent.agent_id.clone(), agent.deleting || agent.managed_by_config);
            if let Ok(profile) = input::agent_profile(Some(agent)) {
                held.insert(id, AgentProfile { managed_by_config: apart, ..profile });
            }
        }
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return Ok(held);
        }
    }
}

struct Upserts<'a> {
    channel: Channel,
    tenant: &'a str,
    progress: &'a dyn Fn(usize, usize),
    all: usize,
}

impl Upserts<'_> {
    /// Upserts agents, or has them checked, some at once; what was refused, by place in the list.
    ///
    /// # Errors
    /// When the server cannot answer: then it is not the agent's fault.
    async fn send(
        &self,
        asked: &[(usize, v1::Agent)],
        validate_only: bool,
        before: usize,
    ) -> anyhow::Result<Vec<(usize, Status)>> {
        let mut refused = Vec::new();
        for (chunk, agents) in asked.chunks(AT_ONCE).enumerate() {
            let mut calls = JoinSet::new();
            for (row, agent) in agents.iter().cloned() {
                let request = v1::UpsertAgentRequest {
                    tenant: self.tenant.to_owned(),
                    agent: Some(agent),
                    validate_only,
                    ..v1::UpsertAgentRequest::default()
                };
                let mut client = SupervisorServiceClient::new(self.channel.clone());
                calls.spawn(async move { (row, client.upsert_agent(request).await.err()) });
            }
            for (row, refusal) in calls.join_all().await {
                match refusal {
                    Some(status) if status.get_error_details().error_info().is_none() => {
                        return Err(client::refused(status));
                    }
                    Some(status) if status.code() == tonic::Code::Unavailable => return Err(client::refused(status)),
                    Some(status) => refused.push((row, status)),
                    None => {}
                }
            }
            (self.progress)(before + chunk * AT_ONCE + agents.len(), self.all);
        }
        refused.sort_by_key(|(row, _)| *row);
        Ok(refused)
    }
}

/// The field a refusal is about, and what it says.
fn told(refusal: &Status) -> (String, String) {
    let details = refusal.get_error_details();
    let violation = details.bad_request().and_then(|bad| bad.field_violations.first());
    (violation.map(|found| found.field.clone()).unwrap_or_default(), refusal.message().to_owned())
}
