//! Why the server did not do what it was asked: the same from a unary call and from a session.

use tonic::Status;
use tonic_types::StatusExt;
use usher_proto::v1 as pb;

/// A refusal.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The reason, such as `CONTACT_STATE`; the gRPC code where there is none.
    pub reason: String,
    /// What it says.
    pub message: String,
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Refusal {
        let info = status.get_error_details().error_info().cloned();
        let reason = info.map_or_else(|| format!("{:?}", status.code()), |info| info.reason);
        Refusal { reason, message: status.message().to_owned() }
    }
}

impl From<pb::CommandError> for Refusal {
    fn from(error: pb::CommandError) -> Refusal {
        Refusal { reason: error.reason, message: error.message }
    }
}

impl Refusal {
    /// Whether it says that the other side was faster: the customer left while the agent accepted, an offer expired
    /// while its answer was on the way, a session was lost while its contact was being connected.
    pub fn is_race(&self) -> bool {
        matches!(
            self.reason.as_str(),
            "CONTACT_STATE"
                | "CONTACT_CLOSED"
                | "OFFER_EXPIRED"
                | "OFFER_RESCINDED"
                | "OFFER_CANCELLED"
                | "OFFER_REVOKED"
                | "OFFER_DECLINED"
                | "OFFER_FAILED"
        )
    }
}
