-- Version 2: the view `history` shows every turn. SQLite's JSON functions take at most 1,000 levels, and one turn beyond that made the view
-- fail for all. Such a turn is one row now, with its whole text.
DROP VIEW history;
CREATE VIEW history AS
SELECT i.id,
       t.number AS turn,
       e.key + 1 AS event,
       strftime('%Y-%m-%dT%H:%M:%fZ', t.at / 1e6, 'unixepoch') AS at,
       (SELECT key FROM json_each(e.value)) AS type,
       (SELECT value FROM json_each(e.value)) AS detail
FROM turn t JOIN instance i ON i.key = t.instance,
     json_each(iif(json_valid(t.events), t.events, json_array(json_object('(not readable by SQLite)', t.events)))) e
ORDER BY t.key, e.key;
