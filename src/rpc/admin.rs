//! `AdminService`: its methods come with later releases; the names are reserved by answering for them.

use tonic::{Response, Status};
use usher_proto::v1::admin_service_server::AdminService;
use usher_proto::v1::{self as pb};

use super::Edge;

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl AdminService for Edge {
    super::verb_methods! {
        forget_customer(ForgetCustomerRequest) -> ForgetCustomerResponse;
    }
    super::later_methods! {
        validate_config(ValidateConfigRequest) -> ValidateConfigResponse, "ValidateConfig";
        apply_config(ApplyConfigRequest) -> ApplyConfigResponse, "ApplyConfig";
        get_config(GetConfigRequest) -> GetConfigResponse, "GetConfig";
        rollback_config(RollbackConfigRequest) -> RollbackConfigResponse, "RollbackConfig";
        drain(DrainRequest) -> DrainResponse, "Drain";
        get_status(GetStatusRequest) -> GetStatusResponse, "GetStatus";
    }
}
