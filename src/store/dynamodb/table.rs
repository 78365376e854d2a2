//! Making the table, and refusing one that would lose changes. Knows no item.

use super::fault::{Fault, Retry, classify, line};
use super::{DynamoStore, item, retry};
use crate::store::{Notice, StoreError};
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, PointInTimeRecoverySpecification,
    ProvisionedThroughput, ScalarAttributeType, TableDescription, TableStatus,
};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long the service may take to make a table, and then to be ready for backups of it. It is
/// ten seconds as a rule, and nobody mounts meanwhile.
const LONGEST: Duration = Duration::from_secs(120);

const PAUSE: Duration = Duration::from_millis(500);

/// The first question is asked sooner: an engine on this machine makes a table at once.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// What a new table is asked to have. Each step asks for less than the one before it, for a
/// service that refuses more.
const STEPS: [Wanted; 3] = [
    Wanted {
        on_demand: true,
        protected: true,
    },
    Wanted {
        on_demand: true,
        protected: false,
    },
    Wanted {
        on_demand: false,
        protected: false,
    },
];

#[derive(Clone, Copy)]
struct Wanted {
    on_demand: bool,
    protected: bool,
}

/// Reads and writes a second, in units, of a table that is not billed on demand: what the free
/// tier holds, and plenty for a wallet.
const PROVISIONED: i64 = 5;

/// Makes the table unless it is there; refuses one of another layout, and a global one. A table
/// that was there is left as it is.
pub(super) async fn create(store: &DynamoStore) -> Result<Vec<Notice>, Fault> {
    let until = Instant::now() + LONGEST;
    let mut notices = Vec::new();
    let found = describe(store).await?;
    // A table that is still being made is one of an `init` that was interrupted: finish its work.
    let fresh = found
        .as_ref()
        .is_none_or(|table| table.table_status() == Some(&TableStatus::Creating));
    if found.is_none() {
        let made = make(store).await?;
        if !made.on_demand {
            notices.push(Notice(format!(
                "the service refuses on-demand billing: table {} has {PROVISIONED} reads and \
                 writes a second",
                store.options.table
            )));
        }
    }
    let table = active(store, found, until).await?;
    check(store, &table)?;
    if fresh {
        if table.deletion_protection_enabled() != Some(true) {
            notices.push(Notice(format!(
                "deletion protection of table {} is off: the service refuses it",
                store.options.table
            )));
        }
        if let Err(fault) = recover(store, until).await {
            notices.push(Notice(format!(
                "point-in-time recovery of table {} is off: {}",
                store.options.table, fault.error
            )));
        }
    }
    Ok(notices)
}

/// The table, or `None` if there is none.
async fn describe(store: &DynamoStore) -> Result<Option<TableDescription>, Fault> {
    let described = retry::read(store.deadline(), || async {
        let sent = store
            .client()
            .await?
            .describe_table()
            .table_name(&store.options.table)
            .send()
            .await;
        sent.map_err(|error| classify(&error, &store.options.table))
    });
    match described.await {
        Ok(output) => Ok(output.table),
        Err(fault) if matches!(fault.error, StoreError::Missing(_)) => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// Asks for the table, with the most that the service grants.
async fn make(store: &DynamoStore) -> Result<Wanted, Fault> {
    let mut first = None;
    for wanted in STEPS {
        match ask(store, wanted).await? {
            Answer::Made => return Ok(wanted),
            Answer::Refused(fault) => first = first.or(Some(fault)),
        }
    }
    Err(first.expect("there are steps, and each was refused"))
}

enum Answer {
    Made,
    /// The request as such was refused: less may be granted.
    Refused(Fault),
}

async fn ask(store: &DynamoStore, wanted: Wanted) -> Result<Answer, Fault> {
    let table = &store.options.table;
    let (hash, range) = (
        column(item::WALLET, KeyType::Hash),
        column(item::ID, KeyType::Range),
    );
    let unbuildable = |_: BuildError| {
        let error = StoreError::Failed(
            "the AWS SDK refuses the request: a fault of walletfs, to be reported".into(),
        );
        Fault::known(error, Retry::Never)
    };
    let (hash, range) = (hash.map_err(unbuildable)?, range.map_err(unbuildable)?);
    let provisioned = ProvisionedThroughput::builder()
        .read_capacity_units(PROVISIONED)
        .write_capacity_units(PROVISIONED)
        .build()
        .map_err(unbuildable)?;
    retry::read(store.deadline(), || async {
        let request = store
            .client()
            .await?
            .create_table()
            .table_name(table)
            .attribute_definitions(hash.0.clone())
            .attribute_definitions(range.0.clone())
            .key_schema(hash.1.clone())
            .key_schema(range.1.clone())
            .set_deletion_protection_enabled(wanted.protected.then_some(true));
        let request = if wanted.on_demand {
            request.billing_mode(BillingMode::PayPerRequest)
        } else {
            request.provisioned_throughput(provisioned.clone())
        };
        match request.send().await {
            Ok(_) => Ok(Answer::Made),
            Err(error) => match error.code() {
                // Another device makes it, or an attempt of ours whose answer was lost.
                Some("ResourceInUseException") => Ok(Answer::Made),
                Some(code) if code.ends_with("ValidationException") => {
                    Ok(Answer::Refused(classify(&error, table)))
                }
                _ => Err(classify(&error, table)),
            },
        }
    })
    .await
}

fn column(name: &str, key: KeyType) -> Result<(AttributeDefinition, KeySchemaElement), BuildError> {
    Ok((
        AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(ScalarAttributeType::S)
            .build()?,
        KeySchemaElement::builder()
            .attribute_name(name)
            .key_type(key)
            .build()?,
    ))
}

/// Waits until the table, which was last seen as `table`, can be used.
async fn active(
    store: &DynamoStore,
    mut table: Option<TableDescription>,
    until: Instant,
) -> Result<TableDescription, Fault> {
    let mut pause = FIRST_PAUSE;
    loop {
        // A table that was just asked for may not be seen yet.
        match table.as_ref().map(TableDescription::table_status) {
            Some(Some(TableStatus::Active | TableStatus::Updating)) => {
                return Ok(table.expect("it has a status"));
            }
            None | Some(Some(TableStatus::Creating)) if Instant::now() + pause < until => {}
            None | Some(Some(TableStatus::Creating)) => {
                let error = StoreError::Busy(format!(
                    "table {} is still being made; try again in a minute",
                    store.options.table
                ));
                return Err(Fault::known(error, Retry::Never));
            }
            Some(status) => {
                let status = status.map_or("nothing of its state", TableStatus::as_str);
                let error = StoreError::Failed(format!(
                    "table {} cannot be used: the service says {}; wait until it is ready, or name another",
                    store.options.table,
                    line(status)
                ));
                return Err(Fault::known(error, Retry::Never));
            }
        }
        sleep(pause).await;
        pause = PAUSE;
        table = describe(store).await?;
    }
}

/// Refuses a table on which a wallet would be lost, or that was made for something else.
fn check(store: &DynamoStore, table: &TableDescription) -> Result<(), Fault> {
    let name = &store.options.table;
    let refuse = |why: String| Err(Fault::known(StoreError::Failed(why), Retry::Never));
    if !table.replicas().is_empty() {
        return refuse(format!(
            "{name} is a global table: of two writers the last one wins there, and the other's \
             secrets are lost; name a table without replicas"
        ));
    }
    let is_key = |element: &KeySchemaElement, column, kind: &KeyType| {
        let text = table.attribute_definitions().iter().any(|definition| {
            definition.attribute_name() == column
                && *definition.attribute_type() == ScalarAttributeType::S
        });
        text && element.attribute_name() == column && element.key_type() == kind
    };
    match table.key_schema() {
        [hash, range]
            if is_key(hash, item::WALLET, &KeyType::Hash)
                && is_key(range, item::ID, &KeyType::Range) =>
        {
            Ok(())
        }
        _ => refuse(format!(
            "table {name} is not one of walletfs: its keys are not `{}` and `{}`; name another",
            item::WALLET,
            item::ID
        )),
    }
}

/// Switches point-in-time recovery on. For a moment after the table is made, the service says that
/// it is not ready for that.
async fn recover(store: &DynamoStore, until: Instant) -> Result<(), Fault> {
    loop {
        let asked = retry::read(store.deadline(), || async {
            let specification = PointInTimeRecoverySpecification::builder()
                .point_in_time_recovery_enabled(true)
                .build()
                .map_err(|_| {
                    let error = StoreError::Failed(
                        "the AWS SDK refuses the request: a fault of walletfs, to be reported"
                            .into(),
                    );
                    Fault::known(error, Retry::Never)
                })?;
            let sent = store
                .client()
                .await?
                .update_continuous_backups()
                .table_name(&store.options.table)
                .point_in_time_recovery_specification(specification)
                .send()
                .await;
            match sent {
                Ok(_) => Ok(true),
                Err(error) if error.code() == Some("ContinuousBackupsUnavailableException") => {
                    Ok(false)
                }
                Err(error) => Err(classify(&error, &store.options.table)),
            }
        });
        if asked.await? {
            return Ok(());
        }
        if Instant::now() + PAUSE >= until {
            let error = StoreError::Busy("the service is not ready for it".into());
            return Err(Fault::known(error, Retry::Never));
        }
        sleep(PAUSE).await;
    }
}
