-- shape: in, prefix
SELECT user_id FROM profiles
WHERE user_no IN (
  SELECT user_no FROM events WHERE event LIKE 'cart\_%' ESCAPE '\' AND ts >= TIMESTAMPTZ '2026-03-02 00:00:00+00'
  GROUP BY user_no HAVING count(*) >= 3)
-- shape: in, range
SELECT user_id FROM profiles
WHERE user_no IN (
  SELECT user_no FROM events WHERE event >= 'cart_' AND event < 'cart`' AND ts >= TIMESTAMPTZ '2026-03-02 00:00:00+00'
  GROUP BY user_no HAVING count(*) >= 3)
-- shape: in, names
SELECT user_id FROM profiles
WHERE user_no IN (
  SELECT user_no FROM events WHERE event IN ('cart_add', 'cart_remove', 'cart_view') AND ts >= TIMESTAMPTZ '2026-03-02 00:00:00+00'
  GROUP BY user_no HAVING count(*) >= 3)
