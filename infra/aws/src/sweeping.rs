//! Rows that no key leads to: a whole table is read for them. For what an operator does now and then, to few persons.

use std::collections::HashMap;

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use mailbox_register::{notice::Notice, person::PersonKey};

use crate::{
    error::{self, StoreError},
    item::{self, Item, text},
};

/// What a row is known by.
#[derive(Debug, Clone, Copy)]
pub enum Known<'a> {
    /// It is there.
    There,
    /// It is about one of these persons: its attribute `person`.
    Person(&'a [PersonKey]),
    /// Its key, this attribute, ends with one of these persons.
    Named(&'a str, &'a [PersonKey]),
    /// One of these texts stands in it somewhere.
    Holds(&'a [String]),
}

/// A page of what was found.
#[derive(Debug)]
pub struct Swept {
    /// Rows that were read for it.
    pub read: u64,
    /// Those that were meant.
    pub rows: Vec<Row>,
    /// Where the next page begins; none on the last.
    pub next: Option<SweepCursor>,
}

/// A row as it was read. It is not shown.
pub struct Row(Item);

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Row(…)")
    }
}

/// The end of a page.
#[derive(Debug)]
pub struct SweepCursor(Item);

/// A table that is read for such rows.
#[derive(Debug, Clone)]
pub struct Sweep {
    client: Client,
    table: String,
    /// Attributes of its key.
    key: &'static [&'static str],
}

impl Sweep {
    /// A table with this key.
    pub const fn new(client: Client, table: String, key: &'static [&'static str]) -> Self {
        Self { client, table, key }
    }

    /// The next page.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn page(&self, known: Known<'_>, after: Option<SweepCursor>) -> Result<Swept, StoreError> {
        let page = self
            .client
            .scan()
            .table_name(&self.table)
            .consistent_read(true)
            .set_exclusive_start_key(after.map(|cursor| cursor.0))
            .send()
            .await?;
        let rows = page.items.unwrap_or_default();
        Ok(Swept {
            read: rows.len() as u64,
            rows: rows.into_iter().filter(|row| is_meant(row, known)).map(Row).collect(),
            next: page.last_evaluated_key.map(SweepCursor),
        })
    }

    /// Deletes a row. Once is as good as twice.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delete(&self, row: &Row) -> Result<(), StoreError> {
        let key = self.key_of(row)?;
        let delete = self.client.delete_item().table_name(&self.table);
        delete.set_key(Some(key)).send().await?;
        Ok(())
    }

    /// Empties the answer that a row keeps. The row stays, so that the request is not done again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn empty_answer(&self, row: &Row) -> Result<(), StoreError> {
        let update = self.client.update_item().table_name(&self.table);
        let emptied = update
            .set_key(Some(self.key_of(row)?))
            .update_expression("SET answer.#body = :nothing")
            .condition_expression("attribute_exists(answer)")
            .expression_attribute_names("#body", "body")
            .expression_attribute_values(":nothing", text("{}"))
            .send()
            .await;
        error::held(emptied).map(drop)
    }

    /// Puts a row of another table of the same kind here as it is, if there is none with its key. Says whether it was put.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_back(&self, row: &Row) -> Result<bool, StoreError> {
        let put = self.client.put_item().table_name(&self.table);
        let put = put.set_item(Some(row.0.clone()));
        let put = put.condition_expression("attribute_not_exists(#key)");
        let put = put.expression_attribute_names("#key", self.key[0]);
        error::held(put.send().await)
    }

    fn key_of(&self, row: &Row) -> Result<HashMap<String, AttributeValue>, StoreError> {
        let value = |name: &&str| Some(((*name).to_owned(), row.0.get(*name)?.clone()));
        let key: HashMap<_, _> = self.key.iter().filter_map(value).collect();
        if key.len() == self.key.len() {
            Ok(key)
        } else {
            Err(StoreError::Unreadable("key"))
        }
    }
}

impl Row {
    /// The notice that it is.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`].
    pub fn notice(&self) -> Result<Notice, StoreError> {
        item::read("notices", self.0.clone())
    }

    /// A text that it holds under a name.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_s().ok().map(String::as_str)
    }

    /// Whom it is about: its attribute `person`.
    pub fn person(&self) -> Option<PersonKey> {
        self.text("person").map(PersonKey::from_stored)
    }
}

fn is_meant(row: &Item, known: Known<'_>) -> bool {
    match known {
        Known::There => true,
        Known::Person(persons) => persons
            .iter()
            .any(|person| row.get("person") == Some(&text(person.as_str()))),
        Known::Named(key, persons) => {
            let name = row.get(key).and_then(|name| name.as_s().ok());
            name.is_some_and(|name| persons.iter().any(|person| name.ends_with(person.as_str())))
        }
        Known::Holds(texts) => row.values().any(|value| holds(value, texts)),
    }
}

fn holds(value: &AttributeValue, texts: &[String]) -> bool {
    match value {
        AttributeValue::S(value) => texts.iter().any(|text| value.contains(text)),
        AttributeValue::L(values) => values.iter().any(|value| holds(value, texts)),
        AttributeValue::M(values) => values.values().any(|value| holds(value, texts)),
        _ => false,
    }
}
