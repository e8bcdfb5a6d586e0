-- shape: in
SELECT user_id FROM profiles p
WHERE country = 'US'
  AND user_no IN (
    SELECT user_no FROM events WHERE event = 'purchase' AND ts >= TIMESTAMPTZ '2026-01-31 00:00:00+00' GROUP BY user_no HAVING count(*) >= 2)
  AND user_no IN (
    SELECT user_no FROM events WHERE event = 'product_view' AND ts >= TIMESTAMPTZ '2026-03-02 00:00:00+00'
    GROUP BY user_no HAVING count(DISTINCT category) >= 2)
  AND (
    user_no IN (
      SELECT user_no FROM events WHERE event = 'cart_add' AND ts >= TIMESTAMPTZ '2026-03-02 00:00:00+00'
      GROUP BY user_no HAVING sum(amount) >= 200.005::DOUBLE)
    OR user_no IN (
      SELECT user_no FROM events WHERE event = 'search' AND ts >= TIMESTAMPTZ '2026-03-18 00:00:00+00' GROUP BY user_no HAVING count(*) >= 3))
  AND NOT EXISTS (
    SELECT 1 FROM events e WHERE e.user_no = p.user_no AND event = 'refund' AND ts >= TIMESTAMPTZ '2026-01-01 00:00:00+00')
-- shape: one scan
SELECT p.user_id
FROM (
  SELECT user_no FROM events
  WHERE event IN ('purchase', 'product_view', 'cart_add', 'search', 'refund') AND ts >= TIMESTAMPTZ '2026-01-01 00:00:00+00'
    AND (event = 'purchase' AND ts >= TIMESTAMPTZ '2026-01-31 00:00:00+00'
      OR event = 'product_view' AND ts >= TIMESTAMPTZ '2026-03-02 00:00:00+00'
      OR event = 'cart_add' AND ts >= TIMESTAMPTZ '2026-03-02 00:00:00+00'
      OR event = 'search' AND ts >= TIMESTAMPTZ '2026-03-18 00:00:00+00'
      OR event = 'refund')
  GROUP BY user_no
  HAVING count(*) FILTER (event = 'purchase') >= 2
    AND count(DISTINCT category) FILTER (event = 'product_view') >= 2
    AND (sum(amount) FILTER (event = 'cart_add') >= 200.005::DOUBLE OR count(*) FILTER (event = 'search') >= 3)
    AND count(*) FILTER (event = 'refund') = 0) e
JOIN profiles p ON p.user_no = e.user_no
WHERE p.country = 'US'
-- shape: union of arms
SELECT p.user_id
FROM (
  SELECT user_no
  FROM (
    SELECT user_no, 1 AS a, NULL AS b, NULL AS c, NULL AS d, NULL AS r
    FROM events WHERE event = 'purchase' AND ts >= TIMESTAMPTZ '2026-01-31 00:00:00+00' GROUP BY user_no HAVING count(*) >= 2
    UNION ALL
    SELECT user_no, NULL, 1, NULL, NULL, NULL
    FROM events WHERE event = 'product_view' AND ts >= TIMESTAMPTZ '2026-03-02 00:00:00+00'
    GROUP BY user_no HAVING count(DISTINCT category) >= 2
    UNION ALL
    SELECT user_no, NULL, NULL, 1, NULL, NULL
    FROM events WHERE event = 'cart_add' AND ts >= TIMESTAMPTZ '2026-03-02 00:00:00+00'
    GROUP BY user_no HAVING sum(amount) >= 200.005::DOUBLE
    UNION ALL
    SELECT user_no, NULL, NULL, NULL, 1, NULL
    FROM events WHERE event = 'search' AND ts >= TIMESTAMPTZ '2026-03-18 00:00:00+00' GROUP BY user_no HAVING count(*) >= 3
    UNION ALL
    SELECT user_no, NULL, NULL, NULL, NULL, 1
    FROM events WHERE event = 'refund' AND ts >= TIMESTAMPTZ '2026-01-01 00:00:00+00' GROUP BY user_no)
  GROUP BY user_no
  HAVING max(a) IS NOT NULL AND max(b) IS NOT NULL AND (max(c) IS NOT NULL OR max(d) IS NOT NULL) AND max(r) IS NULL) e
JOIN profiles p ON p.user_no = e.user_no
WHERE p.country = 'US'
