-- A round trip through each catalog, for `scripts/engines check`: every answer has to be true.
DROP SCHEMA IF EXISTS lake.checked CASCADE;
CREATE SCHEMA lake.checked;
CREATE TABLE lake.checked.orders WITH (partitioning = ARRAY['month(orderdate)']) AS SELECT * FROM tpch.tiny.orders;
-- Large enough to be uploaded in parts.
CREATE TABLE lake.checked.parts AS SELECT * FROM tpch.sf1.orders;
SELECT count(*) = 1500000 FROM lake.checked.parts WHERE comment IS NOT NULL;
DELETE FROM lake.checked.orders WHERE orderkey % 10 = 7;
SELECT (SELECT sum(orderkey) FROM lake.checked.orders) = (SELECT sum(orderkey) FROM tpch.tiny.orders WHERE orderkey % 10 != 7);

DROP SCHEMA IF EXISTS hive.checked CASCADE;
CREATE SCHEMA hive.checked;
CREATE TABLE hive.checked.events (user_id varchar, ts timestamp(6), dt varchar)
WITH (external_location = 's3://hive/checked', format = 'PARQUET', partitioned_by = ARRAY['dt']);
INSERT INTO hive.checked.events VALUES ('ann', TIMESTAMP '2026-11-01 10:00:00.123456', '2026-11-01'), ('bob', TIMESTAMP '2026-11-02 10:00:00', '2026-11-02');
CREATE TABLE hive.checked.again (user_id varchar, ts timestamp(6), dt varchar)
WITH (external_location = 's3://hive/checked', format = 'PARQUET', partitioned_by = ARRAY['dt']);
CALL hive.system.sync_partition_metadata('checked', 'again', 'ADD');
SELECT bool_and(user_id = 'ann') FROM hive.checked.again WHERE dt = '2026-11-01' AND ts > TIMESTAMP '2026-11-01 10:00:00.123455';

CALL cassandra.system.execute('DROP KEYSPACE IF EXISTS checked');
CALL cassandra.system.execute('CREATE KEYSPACE checked WITH replication = {''class'': ''SimpleStrategy'', ''replication_factor'': 1}');
CREATE TABLE cassandra.checked.nation AS SELECT nationkey, name FROM tpch.tiny.nation;
CALL cassandra.system.execute('CREATE INDEX ON checked.nation (name) USING ''sai''');
SELECT count(*) = 25 FROM cassandra.checked.nation JOIN tpch.tiny.nation USING (name);

DROP TABLE IF EXISTS memory.default.checked;
CREATE TABLE memory.default.checked AS SELECT 1 AS one;
SELECT count(*) = 1 FROM memory.default.checked;

DROP TABLE memory.default.checked;
CALL cassandra.system.execute('DROP KEYSPACE checked');
DROP SCHEMA hive.checked CASCADE;
DROP SCHEMA lake.checked CASCADE;
