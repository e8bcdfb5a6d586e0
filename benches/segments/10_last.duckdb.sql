-- shape: in, last ordered
SELECT user_id FROM profiles
WHERE user_no IN (
  SELECT user_no FROM events WHERE event = 'product_view' AND ts >= TIMESTAMPTZ '2026-03-02 00:00:00+00'
  GROUP BY user_no HAVING last(category ORDER BY ts, message_id) = 'category-03')
-- shape: in, greatest row
SELECT user_id FROM profiles
WHERE user_no IN (
  SELECT user_no FROM events WHERE event = 'product_view' AND ts >= TIMESTAMPTZ '2026-03-02 00:00:00+00'
  GROUP BY user_no HAVING arg_max_null(category, ROW(ts, message_id)) = 'category-03')
-- shape: window
SELECT user_id FROM profiles
WHERE user_no IN (
  SELECT user_no
  FROM (
    SELECT user_no, category FROM events WHERE event = 'product_view' AND ts >= TIMESTAMPTZ '2026-03-02 00:00:00+00'
    QUALIFY row_number() OVER (PARTITION BY user_no ORDER BY ts DESC, message_id DESC) = 1)
  WHERE category = 'category-03')
-- shape: latest instant, then ties
WITH viewed AS (
  SELECT user_no, ts, message_id, category FROM events WHERE event = 'product_view' AND ts >= TIMESTAMPTZ '2026-03-02 00:00:00+00'),
latest AS (SELECT user_no, max(ts) AS ts FROM viewed GROUP BY user_no),
tied AS (SELECT v.user_no, v.message_id, v.category FROM viewed v JOIN latest l ON l.user_no = v.user_no AND l.ts = v.ts)
SELECT user_id FROM profiles
WHERE user_no IN (SELECT user_no FROM tied GROUP BY user_no HAVING arg_max_null(category, message_id) = 'category-03')
