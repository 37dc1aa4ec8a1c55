//! temporary
mod call; mod stream;
pub use call::*; pub use stream::*;
use crate::engine::{command::Request, state::State, time::Time};
pub trait Machine: Send {}
#[derive(Clone)] pub struct ShardHandle;
impl ShardHandle {
 pub fn call(&self, _t:&str, _r: Request)->Pending<Done>{ Pending::refused(Refused::Draining) }
 pub fn query<R: Send+'static, F: FnOnce(&State, Time)->R+Send+'static>(&self,_t:&str,_f:F)->Pending<R>{ Pending::refused(Refused::Draining) }
 pub fn subscribe<R: Send+'static, F: FnOnce(&State, Time)->R+Send+'static>(&self,_t:&str,_o:Order,_f:F)->Pending<(R,Subscription)>{ Pending::refused(Refused::Draining) }
}
