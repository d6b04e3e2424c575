//! Tables as they are beneath everything: backed up, and lost.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, BillingMode};

use crate::World;

/// The rows of a table.
pub async fn rows(world: &World, table: &str) -> Vec<HashMap<String, AttributeValue>> {
    let scan = world.stack.client().scan().table_name(table);
    let mut rows = scan.into_paginator().items().send();
    let mut all = Vec::new();
    while let Some(row) = rows.next().await {
        all.push(row.unwrap());
    }
    all
}

/// What point-in-time recovery makes: a table of another name, with what is there now.
pub async fn back_up(world: &World, table: &str) -> String {
    let (client, copy) = (world.stack.client(), format!("{table}-restored"));
    let described = client.describe_table().table_name(table).send().await.unwrap();
    let described = described.table.unwrap();
    let key = described.key_schema().to_vec();
    let of_key = |name: &str| key.iter().any(|part| part.attribute_name() == name);
    let attributes = described
        .attribute_definitions()
        .iter()
        .filter(|known| of_key(known.attribute_name()));
    let create = client
        .create_table()
        .table_name(&copy)
        .billing_mode(BillingMode::PayPerRequest);
    let create = create.set_attribute_definitions(Some(attributes.cloned().collect()));
    create.set_key_schema(Some(key.clone())).send().await.unwrap();
    for row in rows(world, table).await {
        let put = client.put_item().table_name(&copy);
        put.set_item(Some(row)).send().await.unwrap();
    }
    copy
}

/// Everything in a table is lost.
pub async fn lose(world: &World, table: &str, key: &str) {
    for row in rows(world, table).await {
        let delete = world.stack.client().delete_item().table_name(table);
        delete.key(key, row[key].clone()).send().await.unwrap();
    }
}
