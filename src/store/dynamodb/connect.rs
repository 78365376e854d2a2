//! From options to a client: region, credentials, endpoint, time-outs. Makes no request.

use super::bound::Bound;
use super::fault::{Fault, Retry};
use crate::store::StoreError;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_sdk_dynamodb::{Client, config};
use std::env;
use std::time::Duration;
use zeroize::Zeroizing;

/// The region that signs requests to an endpoint of one's own, when none is named: such an
/// endpoint takes any.
const ANY_REGION: &str = "us-east-1";

/// Where a wallet's table is. What is `None` comes from the AWS environment variables and
/// configuration files, as for any AWS tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DynamoOptions {
    /// The table's name.
    pub table: String,
    /// The wallet's name: the hash key of its items.
    pub wallet: String,
    /// A profile of `~/.aws/config` and `~/.aws/credentials`.
    pub profile: Option<String>,
    /// The AWS region. It is never asked of the EC2 metadata service, since that is a request.
    pub region: Option<String>,
    /// The URL of the service, for an engine that is not AWS's.
    pub endpoint_url: Option<String>,
    /// Changes in a commit, for an engine that takes fewer than 100 (see
    /// [`crate::store::Limits::with_changes`]).
    pub commit_limit: Option<usize>,
}

impl DynamoOptions {
    /// Where this is, for people. An endpoint's URL may hold a password: then it is left out.
    pub(super) fn describe(&self) -> String {
        let mut text = format!("DynamoDB table {}, wallet {}", self.table, self.wallet);
        if let Some(region) = &self.region {
            text += &format!(", region {region}");
        }
        match &self.endpoint_url {
            Some(url) if !url.contains('@') => text += &format!(", at {url}"),
            Some(_) => text += ", at an endpoint of its own",
            None => {}
        }
        text
    }
}

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a connection stands.
    pub connect: Duration,
    /// Until one request is answered.
    pub attempt: Duration,
    /// Until a call of the store ends, retries included.
    pub operation: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            connect: Duration::from_secs(3),
            attempt: Duration::from_secs(5),
            operation: crate::store::DEADLINE,
        }
    }
}

/// An access key of AWS's, as it is given: wiped when dropped.
#[derive(Clone)]
pub struct AccessKey {
    /// Which key. Not a secret.
    pub id: String,
    /// Its secret.
    pub secret: Zeroizing<String>,
}

/// What is not in the configuration of a wallet.
#[derive(Clone, Default)]
pub struct Tuning {
    /// Other time-outs than the contract's: tests set them.
    pub timeouts: Timeouts,
    /// The key to use, instead of what the default chain finds: one that is not in a file yet, or any
    /// for an engine that takes any.
    pub access_key: Option<AccessKey>,
}

/// A client, made from the configuration as it was at one moment.
pub(super) struct Connection {
    /// Or what is wrong with the options.
    client: Result<Client, StoreError>,
}

impl Connection {
    pub(super) async fn open(options: &DynamoOptions, tuning: &Tuning) -> Self {
        let Some(region) = region(options).await else {
            return Connection {
                client: Err(StoreError::Failed(
                    "no AWS region is set: name one with `walletfs conf region`, in AWS_REGION, or in \
                     the profile"
                        .into(),
                )),
            };
        };
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).region(region);
        if let Some(profile) = &options.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(url) = &options.endpoint_url {
            // The SDK would say of any other that the connection was cut.
            let host = ["http://", "https://"]
                .iter()
                .find_map(|by| url.strip_prefix(by));
            if host.is_none_or(|host| host.is_empty() || host.contains(char::is_whitespace)) {
                let error = StoreError::Failed(format!(
                    "the endpoint {url} is no URL: name one that begins with http:// or https:// \
                     (`walletfs conf endpoint-url`)"
                ));
                return Connection { client: Err(error) };
            }
            loader = loader.endpoint_url(url);
        }
        if let Some(AccessKey { id, secret }) = &tuning.access_key {
            // The SDK wipes its copy.
            let key = Credentials::new(id, secret.as_str(), None, None, "walletfs");
            loader = loader.credentials_provider(key);
        }
        let shared = loader.load().await;
        let config = config::Builder::from(&shared)
            .interceptor(Bound)
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(tuning.timeouts.connect)
                    .operation_attempt_timeout(tuning.timeouts.attempt)
                    .build(),
            )
            .build();
        Connection {
            client: Ok(Client::from_conf(config)),
        }
    }

    pub(super) fn client(&self) -> Result<Client, Fault> {
        let client = self.client.clone();
        client.map_err(|error| Fault::known(error, Retry::Never))
    }
}

async fn region(options: &DynamoOptions) -> Option<Region> {
    let mut profile = ProfileFileRegionProvider::builder();
    if let Some(name) = &options.profile {
        profile = profile.profile_name(name);
    }
    let own_endpoint = options.endpoint_url.is_some()
        || ["AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL"]
            .iter()
            .any(|name| env::var_os(name).is_some_and(|value| !value.is_empty()));
    RegionProviderChain::first_try(options.region.clone().map(Region::new))
        .or_else(EnvironmentVariableRegionProvider::new())
        .or_else(profile.build())
        .or_else(own_endpoint.then(|| Region::from_static(ANY_REGION)))
        .region()
        .await
}
