//! A bound on what an answer may hold, so that a service that never ends one fills no memory.

use aws_sdk_dynamodb::config::interceptors::BeforeDeserializationInterceptorContextMut;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_smithy_types::body::SdkBody;
use http_body_util::Limited;

/// Bytes of an answer. The longest honest one refuses a commit and carries the winners: 4 MB, a
/// third more in Base64 (RFC 4648), and the names of attributes.
const MOST: usize = 8 << 20;

/// Refuses an answer of more than [`MOST`] bytes while it is being read.
#[derive(Debug)]
pub(super) struct Bound;

impl Intercept for Bound {
    fn name(&self) -> &'static str {
        "Bound"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response_mut().body_mut();
        let whole = std::mem::replace(body, SdkBody::taken());
        *body = SdkBody::from_body_1_x(Limited::new(whole, MOST));
        Ok(())
    }
}
