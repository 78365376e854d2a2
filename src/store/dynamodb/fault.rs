//! What went wrong, in a person's words, and whether trying again helps. The one place that knows
//! the SDK's errors and the service's codes.
//!
//! A message never holds the SDK's own account of an error: it may quote the request. What the
//! service says is quoted where a person needs it to repair a policy, one short line of it.

use crate::store::StoreError;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ConnectorError, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::primitives::{DateTime, DateTimeFormat};
use std::error::Error;
use std::time::{Duration, SystemTime};

/// Why an attempt failed.
pub(super) struct Fault {
    /// What the caller is told if it stays so.
    pub(super) error: StoreError,
    /// Whether another attempt may succeed.
    pub(super) retry: Retry,
    /// Whether the service may have done what was asked.
    pub(super) unknown: bool,
}

/// Whether another attempt may succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retry {
    /// No.
    Never,
    /// If soon, then at once or not at all.
    Few,
    /// Yes: the service asked for patience.
    ToTheEnd,
}

impl Fault {
    /// A fault after which the service has certainly done nothing.
    pub(super) fn known(error: StoreError, retry: Retry) -> Self {
        Fault {
            error,
            retry,
            unknown: false,
        }
    }

    fn unknown(error: StoreError, retry: Retry) -> Self {
        Fault {
            error,
            retry,
            unknown: true,
        }
    }
}

/// Beyond this a signature is refused; the service's own limit is 5 minutes for a request that is
/// early and 15 for one that is late.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(4 * 60);

/// The fault behind a failed request on `table`.
pub(super) fn classify<E>(error: &SdkError<E>, table: &str) -> Fault
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::ServiceError(service) => refused(
            service.err().code().unwrap_or_default(),
            service.err().message().unwrap_or_default(),
            service.raw(),
            table,
        ),
        SdkError::TimeoutError(_) => Fault::unknown(StoreError::Deadline, Retry::Few),
        SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) => not_answered(error),
        SdkError::ResponseError(response) => unreadable(response.raw().status().as_u16()),
        _ => Fault::unknown(
            StoreError::Failed(
                "the AWS SDK reports an error that this walletfs does not know; try again".into(),
            ),
            Retry::Never,
        ),
    }
}

/// No answer came: no credentials to ask with, no connection, or one that was cut.
fn not_answered(error: &(dyn Error + 'static)) -> Fault {
    if let Some(credentials) = find::<CredentialsError>(error) {
        return no_credentials(credentials);
    }
    let connector = find::<ConnectorError>(error);
    if connector.is_some_and(ConnectorError::is_timeout) {
        // The only time-out that ends here is that of connecting.
        return Fault::known(
            StoreError::Unreachable(
                "no connection could be made in time: see that the network is there".into(),
            ),
            Retry::Few,
        );
    }
    if find::<hyper_util::client::legacy::Error>(error).is_some_and(|error| error.is_connect()) {
        return Fault::known(StoreError::Unreachable(why(error)), Retry::Few);
    }
    if connector.is_some_and(|error| error.is_user()) || connector.is_none() {
        return Fault::known(
            StoreError::Failed(
                "the request could not be made: check the endpoint's URL and the region".into(),
            ),
            Retry::Never,
        );
    }
    Fault::unknown(
        StoreError::Unreachable("the connection was cut; try again".into()),
        Retry::Few,
    )
}

/// The operating system's reason for a failed connection.
fn why(error: &(dyn Error + 'static)) -> String {
    match find::<std::io::Error>(error) {
        // The system's own errors say nothing of the request; others may.
        Some(io) if io.raw_os_error().is_some() => format!(
            "no connection ({}): see that the network is there, and the endpoint's URL right",
            io.kind()
        ),
        _ => {
            "no connection: the name is not known, or the other side is not who it should be; see \
             that the network is there, and region and endpoint right"
                .into()
        }
    }
}

fn no_credentials(error: &CredentialsError) -> Fault {
    if find::<ConnectorError>(error).is_some_and(|error| error.is_io() || error.is_timeout()) {
        return Fault::known(
            StoreError::Unreachable("no connection to the service that gives credentials: see that the network is there".into()),
            Retry::Few,
        );
    }
    let text = match error {
        CredentialsError::CredentialsNotLoaded(_) => {
            "no AWS credentials were found: set them up with `walletfs init` or `aws configure`"
        }
        CredentialsError::InvalidConfiguration(_) => {
            "the AWS configuration is not valid: check the profile in ~/.aws/config and \
             ~/.aws/credentials"
        }
        _ => {
            "the AWS credentials could not be had: set them up with `walletfs init`, or renew them \
             (`aws sso login`, or new keys); the next access uses them"
        }
    };
    Fault::known(StoreError::Denied(text.into()), Retry::Never)
}

/// The service answered, with an error.
fn refused(code: &str, message: &str, response: &HttpResponse, table: &str) -> Fault {
    // Some services put "prefix#" before the code.
    let code = code.rsplit('#').next().unwrap_or_default();
    match code {
        "ThrottlingException"
        | "Throttling"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "ProvisionedThroughputExceededException"
        | "RequestLimitExceeded"
        | "TooManyRequestsException"
        | "SlowDown" => Fault::known(slow_down(), Retry::ToTheEnd),
        // An earlier attempt with this token is still at work.
        "TransactionInProgressException" => Fault::unknown(
            StoreError::Busy("the change is still being made; try again".into()),
            Retry::ToTheEnd,
        ),
        "TransactionConflictException" => Fault::known(contended(), Retry::ToTheEnd),
        "ResourceNotFoundException" => Fault::known(
            StoreError::Missing(format!(
                "there is no DynamoDB table {table} in this account and region: make it with \
                 `walletfs init`, or name another"
            )),
            Retry::Never,
        ),
        "ExpiredTokenException" | "ExpiredToken" | "RequestExpired" | "TokenRefreshRequired" => {
            Fault::known(
                StoreError::Denied(
                    "the AWS credentials have expired: renew them (`aws sso login`, or new keys); \
                     the next access uses them"
                        .into(),
                ),
                Retry::Never,
            )
        }
        "AccessDeniedException"
        | "AccessDenied"
        | "UnauthorizedOperation"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "RequestTimeTooSkewed"
        | "AuthFailure"
        | "IncompleteSignatureException"
        | "IncompleteSignature"
        | "MissingAuthenticationTokenException"
        | "MissingAuthenticationToken"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "OptInRequired"
        | "SubscriptionRequiredException" => denied(code, message, response),
        "ValidationException" | "SerializationException" => Fault::known(
            StoreError::Failed(format!(
                "DynamoDB refuses the request (is table {table} one of walletfs?): {}",
                line(message)
            )),
            Retry::Never,
        ),
        "" => unreadable(response.status().as_u16()),
        _ => match response.status().as_u16() {
            status @ 500.. => unavailable(status),
            _ => Fault::known(StoreError::Failed(quoted(code, message)), Retry::Never),
        },
    }
}

/// An answer without a word that DynamoDB uses.
fn unreadable(status: u16) -> Fault {
    let foreign = format!("an answer (HTTP {status}) is not DynamoDB's: is there a proxy between?");
    match status {
        500.. => unavailable(status),
        429 => Fault::known(slow_down(), Retry::ToTheEnd),
        // The request was refused before it came to DynamoDB.
        300.. => Fault::known(StoreError::Failed(foreign), Retry::Never),
        // What was in the answer is not known, so neither is what was done.
        _ => Fault::unknown(StoreError::Unreachable(foreign), Retry::Few),
    }
}

fn slow_down() -> StoreError {
    StoreError::Busy("it asks for fewer requests; try again in a while".into())
}

fn denied(code: &str, message: &str, response: &HttpResponse) -> Fault {
    // Whatever the code: a request that is signed with a wrong time is refused under several. The
    // SDK signs the next attempt with the service's time, so one more may succeed.
    if let Some(skew) = skew(response)
        && skew > CLOCK_TOLERANCE
    {
        return Fault::known(
            StoreError::Denied(format!(
                "this device's clock is {} minutes wrong: set it",
                skew.as_secs() / 60
            )),
            Retry::Few,
        );
    }
    let text = match code {
        "AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation" => format!(
            "these AWS credentials may not do this: check the IAM policy ({})",
            line(message)
        ),
        "RequestTimeTooSkewed" => "this device's clock is wrong: set it".into(),
        "OptInRequired" | "SubscriptionRequiredException" => {
            "the AWS account has not enabled DynamoDB in this region: enable it, or name another"
                .into()
        }
        _ if message.contains("valid region") => {
            "the region is not that of the endpoint: name the right one (`walletfs conf region`)"
                .into()
        }
        _ => format!(
            "AWS does not accept these credentials: check the access key and its secret, or renew \
             them ({code})"
        ),
    };
    Fault::known(StoreError::Denied(text), Retry::Never)
}

/// How far this device's clock is from the service's.
fn skew(response: &HttpResponse) -> Option<Duration> {
    let date = response.headers().get("date")?;
    let theirs = DateTime::from_str(date, DateTimeFormat::HttpDate).ok()?;
    let theirs = SystemTime::try_from(theirs).ok()?;
    let ours = SystemTime::now();
    Some(match theirs.duration_since(ours) {
        Ok(ahead) => ahead,
        Err(behind) => behind.duration(),
    })
}

fn unavailable(status: u16) -> Fault {
    Fault::unknown(
        StoreError::Unreachable(format!(
            "DynamoDB has an error of its own (HTTP {status}); try again"
        )),
        Retry::Few,
    )
}

/// Another device writes the same wallet at the same time.
pub(super) fn contended() -> StoreError {
    StoreError::Busy("other devices are writing the same wallet; try again".into())
}

/// An error that is passed on in the service's own words, where it has any.
pub(super) fn quoted(code: &str, message: &str) -> String {
    match (code, message) {
        ("UnknownOperationException", _) => "it does not know this operation".into(),
        (_, "") => line(code),
        _ => format!("{}: {}", line(code), line(message)),
    }
}

/// One short line of what the service said, since it came from outside.
pub(super) fn line(message: &str) -> String {
    const MOST: usize = 300;
    let mut line: String = message
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MOST)
        .collect();
    if message.chars().nth(MOST).is_some() {
        line.push('…');
    }
    line
}

fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}
