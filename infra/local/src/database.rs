//! DynamoDB: the template's tables, in memory or in a file, served for the real SDK, and their streams as Lambda delivers them.
//!
//! The engine (dynoxide, on `SQLite`) differs from the service in this: writing an item as it was yields a stream record, items are not
//! deleted when their time to live is over, and no transaction ever conflicts with another.
//! A file is written ahead (WAL) and synchronised on every commit, before the answer leaves: a killed process loses nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dynoxide::actions::create_table::CreateTableRequest;
use dynoxide::actions::delete_table::DeleteTableRequest;
use dynoxide::actions::describe_table::DescribeTableRequest;
use dynoxide::actions::get_records::GetRecordsRequest;
use dynoxide::actions::get_shard_iterator::GetShardIteratorRequest;
use dynoxide::actions::update_time_to_live::{TimeToLiveSpecification, UpdateTimeToLiveRequest};
use dynoxide::{DynoxideError, ImportOptions};
use dynoxide::{server, streams};
use rusqlite::Connection;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::sdk;
use crate::template::{Table, physical_name};

/// Why the database cannot be started or read.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The engine refuses.
    #[error("database: {0}")]
    Engine(#[from] DynoxideError),
    /// A port or a file cannot be had.
    #[error("database: {0}")]
    Io(#[from] io::Error),
    /// The engine's own tables are not as they were.
    #[error("database: {0}")]
    Streams(#[from] rusqlite::Error),
    /// A definition is not one of DynamoDB, or the engine's description of a table is not.
    #[error("table {table}: {source}")]
    Shape {
        /// Logical id of the table.
        table: String,
        /// What does not fit.
        source: serde_json::Error,
    },
    /// The folder holds data of an older template.
    #[error("table {table} was made by another template: remove the data folder, or keep to that template")]
    OtherDefinition {
        /// Logical id of the table.
        table: String,
    },
}

/// The running database. Dropping it closes the port; what is in a file stays.
pub struct Database {
    engine: dynoxide::Database,
    url: String,
    definitions: BTreeMap<String, Table>,
    streams: BTreeMap<String, Stream>,
    _stop: oneshot::Sender<()>,
}

impl fmt::Debug for Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Database")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl Database {
    /// Opens the database in `folder` (or an empty one in memory), creates the tables that are missing, and serves it on loopback.
    ///
    /// # Errors
    /// The file cannot be opened, a definition is refused, or a table stands there that was defined otherwise.
    pub async fn start(tables: &BTreeMap<String, Table>, folder: Option<&Path>) -> Result<Self, DatabaseError> {
        let engine = match folder {
            Some(folder) => {
                fs::create_dir_all(folder)?;
                let file = folder.join(FILE);
                if !file.exists() {
                    make(tables, folder)?;
                }
                open(&file)?
            }
            // Under a name, so that it can be opened twice; under a name of its own, so that no two stacks meet there.
            None => open(Path::new(&format!("file:{}?mode=memory&cache=shared", Uuid::new_v4())))?,
        };
        let mut streams = BTreeMap::new();
        for (id, table) in tables {
            if let Some(description) = describe(&engine, id)? {
                check_definition(id, table, &description)?;
            } else {
                create(&engine, id, table)?;
            }
            if table.stream_specification.is_some() {
                let positions = folder.map(|folder| folder.join("streams"));
                streams.insert(id.clone(), Stream::open(&engine, id, positions)?);
            }
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (stop, stopped) = oneshot::channel::<()>();
        let served = engine.clone();
        tokio::spawn(async move {
            // The sender is only ever dropped. A listener that fails shows itself at the next request.
            let _ = server::serve_with_shutdown(listener, served, async {
                let _ = stopped.await;
            })
            .await;
        });
        Ok(Self {
            engine,
            url,
            definitions: tables.clone(),
            streams,
            _stop: stop,
        })
    }

    /// Whether there is one in a folder.
    pub fn is_in(folder: &Path) -> bool {
        folder.join(FILE).exists()
    }

    /// Where the SDK reaches the database.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The stream of the table with this logical id, if it has one.
    pub fn stream(&self, table: &str) -> Option<&Stream> {
        self.streams.get(table)
    }

    /// How many bytes it takes, in its file or in memory.
    ///
    /// # Errors
    /// The engine fails.
    pub fn size(&self) -> Result<u64, DatabaseError> {
        Ok(self.engine.db_size_bytes()?)
    }

    /// Puts many items into the table with this logical id at once, past the API, the stream and what the API checks:
    /// for test data. `items` are in DynamoDB's JSON.
    ///
    /// # Errors
    /// The engine fails, or an item is none.
    pub fn load(&self, id: &str, items: Vec<Value>) -> Result<(), DatabaseError> {
        let shape = |source| DatabaseError::Shape {
            table: id.to_owned(),
            source,
        };
        let items: Result<Vec<_>, _> = items.into_iter().map(serde_json::from_value).collect();
        self.engine
            .import_items(&table_name(id), items.map_err(shape)?, ImportOptions::default())?;
        Ok(())
    }

    /// Empties every table. Stream records that nobody has read yet are dropped as well.
    ///
    /// # Errors
    /// The engine fails: a table may then be missing, and [`Database::reset`] can be tried again.
    pub fn reset(&self) -> Result<(), DatabaseError> {
        for (id, table) in &self.definitions {
            if describe(&self.engine, id)?.is_some() {
                self.engine.delete_table(DeleteTableRequest {
                    table_name: table_name(id),
                })?;
            }
            create(&self.engine, id, table)?;
        }
        self.streams.values().try_for_each(Stream::skip_to_end)
    }
}

/// The name under which the SDK finds the table with this logical id: `RegisterTable` → `register`.
pub fn table_name(logical_id: &str) -> String {
    physical_name(logical_id, "Table")
}

const FILE: &str = "database.sqlite";
/// So many stream records are kept, handled or not, as the service keeps those of a day. The engine keeps all, and goes
/// through them for every write: a run of many letters would get slower and larger with each.
const RECORDS_KEPT: u32 = 20_000;

fn open(file: &Path) -> Result<dynoxide::Database, DatabaseError> {
    let engine = dynoxide::Database::new(&file.to_string_lossy())?;
    Connection::open(file)?.execute_batch(&format!(
        "CREATE INDEX IF NOT EXISTS stream_records_in_order
             ON _stream_records (table_name, CAST(sequence_number AS INTEGER));
         CREATE TRIGGER IF NOT EXISTS stream_records_are_trimmed AFTER INSERT ON _stream_records
             BEGIN DELETE FROM _stream_records WHERE id <= NEW.id - {RECORDS_KEPT}; END;"
    ))?;
    Ok(engine)
}

/// Makes the file with all its tables aside: the engine makes a table in several steps, and a process killed between them
/// would leave one that can neither be used nor made again.
fn make(tables: &BTreeMap<String, Table>, folder: &Path) -> Result<(), DatabaseError> {
    let aside = folder.join("new");
    if aside.exists() {
        fs::remove_dir_all(&aside)?;
    }
    fs::create_dir(&aside)?;
    let file = aside.join(FILE);
    {
        let engine = open(&file)?;
        for (id, table) in tables {
            create(&engine, id, table)?;
        }
    }
    // Closed, it has no write-ahead log any more: the file is all of it.
    fs::rename(file, folder.join(FILE))?;
    fs::remove_dir_all(aside)?;
    Ok(())
}

fn describe(engine: &dynoxide::Database, id: &str) -> Result<Option<Value>, DatabaseError> {
    let request = DescribeTableRequest {
        table_name: table_name(id),
    };
    match engine.describe_table(request) {
        Ok(response) => serde_json::to_value(response.table)
            .map(Some)
            .map_err(|source| shape(id, source)),
        Err(DynoxideError::ResourceNotFoundException(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn shape(id: &str, source: serde_json::Error) -> DatabaseError {
    DatabaseError::Shape {
        table: id.to_owned(),
        source,
    }
}

fn create(engine: &dynoxide::Database, id: &str, table: &Table) -> Result<(), DatabaseError> {
    let mut request = json!({
        "TableName": table_name(id),
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": table.key_schema,
        "AttributeDefinitions": table.attribute_definitions,
    });
    if !table.global_secondary_indexes.is_empty() {
        request["GlobalSecondaryIndexes"] = indexes(table);
    }
    if let Some(stream) = &table.stream_specification {
        request["StreamSpecification"] = json!({"StreamEnabled": true, "StreamViewType": stream.stream_view_type});
    }
    let request: CreateTableRequest = serde_json::from_value(request).map_err(|source| shape(id, source))?;
    engine.create_table(request)?;
    if let Some(time_to_live) = &table.time_to_live_specification {
        engine.update_time_to_live(UpdateTimeToLiveRequest {
            table_name: table_name(id),
            time_to_live_specification: TimeToLiveSpecification {
                attribute_name: time_to_live.attribute_name.clone(),
                enabled: time_to_live.enabled,
            },
        })?;
    }
    Ok(())
}

fn indexes(table: &Table) -> Value {
    table
        .global_secondary_indexes
        .iter()
        .map(|index| {
            let mut projection = json!({"ProjectionType": index.projection.projection_type});
            // The service refuses an empty list.
            if !index.projection.non_key_attributes.is_empty() {
                projection["NonKeyAttributes"] = json!(index.projection.non_key_attributes);
            }
            json!({"IndexName": index.index_name, "KeySchema": index.key_schema, "Projection": projection})
        })
        .collect()
}

fn check_definition(id: &str, table: &Table, description: &Value) -> Result<(), DatabaseError> {
    let by_name = |indexes: &Value| -> BTreeMap<String, Value> {
        indexes
            .as_array()
            .into_iter()
            .flatten()
            .map(|index| {
                let fields = json!([index["KeySchema"], index["Projection"]]);
                (index["IndexName"].to_string(), fields)
            })
            .collect()
    };
    let view = table
        .stream_specification
        .as_ref()
        .map(|stream| stream.stream_view_type.as_str());
    let same = description["KeySchema"] == json!(table.key_schema)
        && by_name(&description["GlobalSecondaryIndexes"]) == by_name(&indexes(table))
        && description["StreamSpecification"]["StreamViewType"].as_str() == view;
    if same {
        Ok(())
    } else {
        Err(DatabaseError::OtherDefinition { table: id.to_owned() })
    }
}

/// A table's stream, with the position up to which its records were handled.
///
/// Handles share the position. With a data folder it is kept there, so that a restart goes on where the last run stopped. A record handled
/// but not yet noted comes again: at least once, as in Lambda.
#[derive(Clone)]
pub struct Stream(Arc<StreamState>);

struct StreamState {
    engine: dynoxide::Database,
    table: String,
    arn: String,
    file: Option<PathBuf>,
    /// Sequence number of the last record handled.
    position: Mutex<Option<String>>,
}

/// One record of a stream.
#[derive(Clone)]
pub struct StreamRecord {
    /// The record's place in the stream; what Lambda names a record by in `batchItemFailures`.
    pub sequence_number: String,
    /// The record as it stands in the event's `Records`.
    pub record: Value,
}

/// The event that Lambda hands to a function for these records.
pub fn stream_event(records: &[StreamRecord]) -> Value {
    json!({"Records": records.iter().map(|record| &record.record).collect::<Vec<_>>()})
}

impl Stream {
    fn open(engine: &dynoxide::Database, id: &str, folder: Option<PathBuf>) -> Result<Self, DatabaseError> {
        let table = table_name(id);
        let file = folder.map(|folder| folder.join(&table));
        let position = match &file {
            Some(file) => match fs::read_to_string(file) {
                Ok(position) => Some(position),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(error.into()),
            },
            None => None,
        };
        let arn = describe(engine, id)?
            .and_then(|description| description["LatestStreamArn"].as_str().map(str::to_owned))
            .unwrap_or_else(|| streams::stream_arn(&table, ""));
        Ok(Self(Arc::new(StreamState {
            engine: engine.clone(),
            table,
            arn,
            file,
            position: Mutex::new(position),
        })))
    }

    /// Up to `limit` (at most 1000) records that were not yet handled, oldest first.
    ///
    /// # Errors
    /// The engine fails.
    pub fn read(&self, limit: usize) -> Result<Vec<StreamRecord>, DatabaseError> {
        let position = self.position().clone();
        self.read_after(position, limit)
    }

    /// Notes that every record up to and including this one was handled. With a data folder the note is on disk when this returns.
    ///
    /// # Errors
    /// The note cannot be written: the records may come again.
    pub fn handled(&self, sequence_number: &str) -> Result<(), DatabaseError> {
        let mut position = self.position();
        if let Some(file) = &self.0.file {
            replace(file, sequence_number)?;
        }
        *position = Some(sequence_number.to_owned());
        Ok(())
    }

    fn skip_to_end(&self) -> Result<(), DatabaseError> {
        const MOST: usize = 1000;
        loop {
            let records = self.read(MOST)?;
            match records.last() {
                Some(last) => self.handled(&last.sequence_number)?,
                None => return Ok(()),
            }
        }
    }

    fn read_after(&self, position: Option<String>, limit: usize) -> Result<Vec<StreamRecord>, DatabaseError> {
        let state = &self.0;
        let start = if position.is_some() {
            "AFTER_SEQUENCE_NUMBER"
        } else {
            "TRIM_HORIZON"
        };
        let iterator = state.engine.get_shard_iterator(GetShardIteratorRequest {
            stream_arn: state.arn.clone(),
            shard_id: streams::shard_id(&state.table),
            shard_iterator_type: start.to_owned(),
            sequence_number: position,
        })?;
        let response = state.engine.get_records(GetRecordsRequest {
            shard_iterator: iterator.shard_iterator.unwrap_or_default(),
            limit: Some(limit),
        })?;
        let arn = format!(
            "arn:aws:dynamodb:{}:{}:table/{}/stream/1",
            sdk::REGION,
            sdk::ACCOUNT,
            state.table
        );
        response
            .records
            .iter()
            .map(|record| {
                let mut event = serde_json::to_value(record).map_err(|source| shape(&state.table, source))?;
                event["awsRegion"] = json!(sdk::REGION);
                event["eventSourceARN"] = json!(arn);
                Ok(StreamRecord {
                    sequence_number: record.dynamodb.sequence_number.clone(),
                    record: event,
                })
            })
            .collect()
    }

    fn position(&self) -> MutexGuard<'_, Option<String>> {
        // A position is replaced as a whole, so a panic elsewhere cannot have left half of one.
        self.0.position.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Replaces a file's content such that a crash leaves either the old or the new one.
fn replace(file: &Path, content: &str) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let new = file.with_extension("new");
    let mut written = File::create(&new)?;
    written.write_all(content.as_bytes())?;
    written.sync_all()?;
    fs::rename(&new, file)
}

#[cfg(test)]
mod tests {
    use aws_lambda_events::event::dynamodb::Event;
    use aws_sdk_dynamodb::Client;
    use aws_sdk_dynamodb::config::retry::RetryConfig;
    use aws_sdk_dynamodb::types::AttributeValue;

    use super::*;
    use crate::template::{EventSource, Source, Template};

    fn tables() -> &'static BTreeMap<String, Table> {
        &Template::shipped().unwrap().tables
    }

    async fn start(folder: Option<&Path>) -> (Database, Client) {
        let database = Database::start(tables(), folder).await.unwrap();
        let client = Client::new(&sdk::config(database.url()));
        (database, client)
    }

    async fn put(client: &Client, id: &str, state: &str) {
        client
            .put_item()
            .table_name("notices")
            .item("id", AttributeValue::S(id.to_owned()))
            .item("state", AttributeValue::S(state.to_owned()))
            .send()
            .await
            .unwrap();
    }

    async fn has(client: &Client, id: &str) -> bool {
        client
            .get_item()
            .table_name("notices")
            .key("id", AttributeValue::S(id.to_owned()))
            .send()
            .await
            .unwrap()
            .item
            .is_some()
    }

    #[tokio::test]
    async fn the_sdk_finds_every_table_of_the_template() {
        let (_database, client) = start(None).await;
        let mut names = client.list_tables().send().await.unwrap().table_names.unwrap();
        names.sort();
        let mut expected: Vec<String> = tables().keys().map(|id| table_name(id)).collect();
        expected.sort();
        assert_eq!(names, expected);
        assert!(names.contains(&"register".to_owned()), "{names:?}");
    }

    #[tokio::test]
    async fn the_index_of_what_is_due_is_sparse_and_in_order() {
        let (_database, client) = start(None).await;
        put(&client, "sent", "sent").await;
        for (id, due) in [("late", "200"), ("soon", "100")] {
            client
                .put_item()
                .table_name("notices")
                .item("id", AttributeValue::S(id.to_owned()))
                .item("state", AttributeValue::S("waiting".to_owned()))
                .item("dueBucket", AttributeValue::N("0".to_owned()))
                .item("dueAt", AttributeValue::N(due.to_owned()))
                .send()
                .await
                .unwrap();
        }
        let found = client
            .query()
            .table_name("notices")
            .index_name("due")
            .key_condition_expression("dueBucket = :bucket AND dueAt <= :now")
            .expression_attribute_values(":bucket", AttributeValue::N("0".to_owned()))
            .expression_attribute_values(":now", AttributeValue::N("200".to_owned()))
            .send()
            .await
            .unwrap();
        let ids: Vec<&str> = found
            .items()
            .iter()
            .map(|item| item["id"].as_s().unwrap().as_str())
            .collect();
        assert_eq!(ids, ["soon", "late"]);
    }

    #[tokio::test]
    async fn a_stream_record_is_what_lambda_delivers() {
        let (database, client) = start(None).await;
        put(&client, "a", "waiting").await;
        put(&client, "a", "sent").await;
        client
            .delete_item()
            .table_name("notices")
            .key("id", AttributeValue::S("a".to_owned()))
            .send()
            .await
            .unwrap();
        let records = database.stream("NoticesTable").unwrap().read(10).unwrap();
        let json = stream_event(&records);
        let event: Event = serde_json::from_value(json.clone()).unwrap();
        let names: Vec<&str> = event.records.iter().map(|record| record.event_name.as_str()).collect();
        assert_eq!(names, ["INSERT", "MODIFY", "REMOVE"]);
        assert_eq!(
            event.records[0].change.sequence_number.as_deref(),
            Some(records[0].sequence_number.as_str())
        );
        assert_eq!(event.records[0].aws_region, sdk::REGION);
        let images = json.pointer("/Records/1/dynamodb").unwrap();
        assert_eq!(images["NewImage"]["state"], json!({"S": "sent"}));
        assert_eq!(images["Keys"], json!({"id": {"S": "a"}}));
        assert_eq!(images.get("OldImage"), None);

        // The template's own filter takes the first only.
        let dispatch = &Template::shipped().unwrap().functions["DispatchFunction"];
        let is_of_notices =
            |source: &&EventSource| matches!(&source.source, Source::Stream { table } if table == "NoticesTable");
        let source = dispatch.event_sources.iter().find(is_of_notices).unwrap();
        let delivered: Vec<bool> = records.iter().map(|record| source.delivers(&record.record)).collect();
        assert_eq!(delivered, [true, false, false]);
    }

    #[tokio::test]
    async fn records_come_until_they_are_noted_as_handled() {
        let (database, client) = start(None).await;
        let stream = database.stream("NoticesTable").unwrap();
        for id in ["a", "b", "c"] {
            put(&client, id, "waiting").await;
        }
        let first = stream.read(2).unwrap();
        assert_eq!(first.len(), 2);
        assert_eq!(stream.read(2).unwrap()[0].sequence_number, first[0].sequence_number);
        stream.handled(&first[1].sequence_number).unwrap();
        let rest = stream.read(2).unwrap();
        assert_eq!(rest.len(), 1);
        assert_eq!(rest[0].record["dynamodb"]["Keys"]["id"]["S"], "c");
        stream.handled(&rest[0].sequence_number).unwrap();
        assert!(stream.read(2).unwrap().is_empty());
    }

    #[test]
    fn a_stream_forgets_its_oldest_records() {
        let name = format!("file:{}?mode=memory&cache=shared", Uuid::new_v4());
        let _engine = open(Path::new(&name)).unwrap();
        let connection = Connection::open(&name).unwrap();
        let more = RECORDS_KEPT + 10;
        connection
            .execute_batch(&format!(
                "WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < {more})
                 INSERT INTO _stream_records (table_name, event_name, keys_json, sequence_number, shard_id, created_at)
                 SELECT 'notices', 'INSERT', '{{}}', number, 'shard', 0 FROM numbers;"
            ))
            .unwrap();
        let kept = "SELECT MIN(CAST(sequence_number AS INTEGER)), COUNT(*) FROM _stream_records";
        let kept: (u32, u32) = connection
            .query_row(kept, [], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap();
        assert_eq!(kept, (11, RECORDS_KEPT));
    }

    #[tokio::test]
    async fn a_restart_finds_items_and_goes_on_in_the_stream() {
        let folder = tempfile::tempdir().unwrap();
        {
            let (database, client) = start(Some(folder.path())).await;
            put(&client, "a", "waiting").await;
            put(&client, "b", "waiting").await;
            let stream = database.stream("NoticesTable").unwrap();
            let records = stream.read(1).unwrap();
            stream.handled(&records[0].sequence_number).unwrap();
        }
        let (database, client) = start(Some(folder.path())).await;
        assert!(has(&client, "a").await);
        put(&client, "c", "waiting").await;
        let ids: Vec<Value> = database
            .stream("NoticesTable")
            .unwrap()
            .read(10)
            .unwrap()
            .iter()
            .map(|record| record.record["dynamodb"]["Keys"]["id"]["S"].clone())
            .collect();
        assert_eq!(ids, ["b", "c"]);
    }

    #[tokio::test]
    async fn a_start_that_was_killed_while_it_made_the_tables_is_made_up_for() {
        let folder = tempfile::tempdir().unwrap();
        let aside = folder.path().join("new");
        fs::create_dir(&aside).unwrap();
        fs::write(aside.join(FILE), "half a database").unwrap();
        let (_database, client) = start(Some(folder.path())).await;
        put(&client, "a", "waiting").await;
        assert!(has(&client, "a").await);
        assert!(!aside.exists());
    }

    #[tokio::test]
    async fn a_folder_made_by_another_template_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        drop(start(Some(folder.path())).await);
        let mut other = tables().clone();
        let notices = other.get_mut("NoticesTable").unwrap();
        notices.global_secondary_indexes[0].projection.projection_type = "ALL".to_owned();
        let error = Database::start(&other, Some(folder.path())).await.unwrap_err();
        assert!(
            matches!(&error, DatabaseError::OtherDefinition { table } if table == "NoticesTable"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_reset_leaves_neither_items_nor_records() {
        let (database, client) = start(None).await;
        put(&client, "a", "waiting").await;
        database.reset().unwrap();
        assert!(!has(&client, "a").await);
        let stream = database.stream("NoticesTable").unwrap();
        assert!(stream.read(10).unwrap().is_empty());
        put(&client, "b", "waiting").await;
        assert_eq!(stream.read(10).unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_dropped_database_answers_no_more() {
        let (database, client) = start(None).await;
        put(&client, "a", "waiting").await;
        let once = sdk::config(database.url())
            .into_builder()
            .retry_config(RetryConfig::disabled())
            .build();
        let once = Client::new(&once);
        drop(database);
        tokio::task::yield_now().await;
        assert!(once.list_tables().send().await.is_err());
    }
}
