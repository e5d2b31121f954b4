//! Pages of instances, each from one index.

use std::fmt::Write as _;

use rusqlite::Connection;
use rusqlite::types::Value;

use crate::store::sqlite::readers::ReadError;
use crate::store::sqlite::{query, rows};
use crate::store::{Instance, Query, Status};

/// A page of what `query` is about.
pub(super) fn read(connection: &Connection, query: &Query) -> Result<Vec<Instance>, ReadError> {
    let mut page = Vec::new();
    for (text, values) in statements(query) {
        let mut statement = connection.prepare_cached(&text)?;
        let mut rows = statement.query(rusqlite::params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            page.push(rows::instance(row)??);
        }
    }
    if query.id_prefix.is_some() {
        page.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    } else {
        page.sort_unstable_by_key(|instance| std::cmp::Reverse(instance.key));
    }
    page.truncate(query.limit);
    Ok(page)
}

/// The statements whose rows, merged, are the page. There are several only where each is of one of the statuses that have an index.
fn statements(query: &Query) -> Vec<(String, Vec<Value>)> {
    let is_narrow = !query.tags.is_empty() || query.parent.is_some() || query.id_prefix.is_some();
    let is_indexed = |status: &Status| !matches!(status, Status::Running | Status::Completed);
    if !is_narrow && !query.statuses.is_empty() && query.statuses.iter().all(is_indexed) {
        let mut statuses = query.statuses.clone();
        statuses.sort_unstable();
        statuses.dedup();
        return statuses.iter().map(|status| statement(query, &[*status], true)).collect();
    }
    vec![statement(query, &query.statuses, false)]
}

fn statement(query: &Query, statuses: &[Status], by_status: bool) -> (String, Vec<Value>) {
    let mut text = query::INSTANCE.to_owned();
    let mut values = Vec::new();
    let mut holds = |text: &mut String, condition: &str, value: Value| {
        values.push(value);
        let and = if values.len() == 1 { "WHERE" } else { "AND" };
        let _ = write!(text, " {and} {}", condition.replace('?', &format!("?{}", values.len())));
    };
    let mut tags = query.tags.iter();
    let (mut order, mut place) = ("i.key DESC", "i.key");
    if let Some((name, value)) = tags.next() {
        text.push_str(" JOIN tag t ON i.key = t.instance");
        holds(&mut text, "t.name = ?", name.clone().into());
        holds(&mut text, "t.value = ?", value.clone().into());
        (order, place) = ("t.instance DESC", "t.instance");
    }
    for (name, value) in tags {
        holds(&mut text, "EXISTS (SELECT 1 FROM tag o WHERE o.instance = i.key AND o.name = ?", name.clone().into());
        holds(&mut text, "o.value = ?)", value.clone().into());
    }
    if let Some(parent) = &query.parent {
        holds(&mut text, "i.parent_id = ?", parent.clone().into());
    }
    if let Some(prefix) = &query.id_prefix {
        holds(&mut text, "i.id >= ?", prefix.clone().into());
        // No text that begins with the prefix is above this one.
        holds(&mut text, "i.id < ?", format!("{prefix}\u{10FFFF}\u{10FFFF}").into());
        order = "i.id";
    }
    if query.id_prefix.is_none() {
        holds(&mut text, "substr(i.id, 1, 1) <> ?", "@".to_owned().into());
    }
    if let Some(after) = &query.after {
        match query.id_prefix {
            Some(_) => holds(&mut text, "i.id > ?", after.id.clone().into()),
            None => holds(&mut text, &format!("{place} < ?"), after.key.into()),
        }
    }
    if let Some(name) = &query.name {
        holds(&mut text, "i.name = ?", name.clone().into());
    }
    if let Some(from) = query.created_from {
        holds(&mut text, "i.created_at >= ?", from.0.into());
    }
    if let Some(to) = query.created_to {
        holds(&mut text, "i.created_at < ?", to.0.into());
    }
    if let [status] = statuses {
        holds(&mut text, "i.status = ?", status.as_str().to_owned().into());
    } else if !statuses.is_empty() {
        let names: Vec<_> = statuses.iter().map(|status| status.as_str()).collect();
        let names = serde_json::json!(names).to_string();
        holds(&mut text, "i.status IN (SELECT value FROM json_each(?))", names.into());
    }
    if by_status {
        // The words of the partial index, without which it is not taken.
        text.push_str(" AND i.status NOT IN ('Running', 'Completed')");
    }
    let _ = write!(text, " ORDER BY {order} LIMIT {}", query.limit);
    (text, values)
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::statements;
    use crate::store::{After, Query, Status};

    /// The plan of every statement of a query.
    fn plan(query: &Query) -> String {
        let connection = Connection::open_in_memory().expect("it opens");
        connection.execute_batch(include_str!("schema.sql")).expect("the schema is sound");
        let mut plan = String::new();
        for (text, values) in statements(query) {
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {text}")).expect("it is SQL");
            let mut rows = statement.query(rusqlite::params_from_iter(values)).expect("it can be asked");
            while let Some(row) = rows.next().expect("it answers") {
                plan.push_str(&row.get::<_, String>(3).expect("it is text"));
                plan.push('\n');
            }
        }
        plan
    }

    #[test]
    fn every_page_comes_in_order_from_an_index() {
        let after = Some(After { key: 7, id: "order-7".into() });
        let base = Query { limit: 10, after, ..Query::default() };
        for (query, index) in [
            (base.clone(), "SEARCH i USING INTEGER PRIMARY KEY (rowid<?)"),
            (
                Query { statuses: vec![Status::Failed, Status::Suspended], ..base.clone() },
                "USING INDEX instance_status (status=? AND key<?)",
            ),
            (Query { statuses: vec![Status::Completed], ..base.clone() }, "USING INTEGER PRIMARY KEY (rowid<?)"),
            (Query { id_prefix: Some("order-".into()), ..base.clone() }, "(id>? AND id<?)"),
            (Query { parent: Some("boss".into()), ..base.clone() }, "USING INDEX instance_parent (parent_id=? AND key<?)"),
            (
                Query { tags: vec![("a".into(), "1".into()), ("b".into(), "2".into())], ..base.clone() },
                "USING COVERING INDEX tag_value (name=? AND value=? AND instance<?)",
            ),
        ] {
            let plan = plan(&query);
            assert!(plan.contains(index), "{query:?}\n{plan}");
            assert!(!plan.contains("TEMP B-TREE") && !plan.contains("SCAN i\n"), "{query:?}\n{plan}");
        }
    }
}
