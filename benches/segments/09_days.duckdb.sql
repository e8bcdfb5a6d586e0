-- Days are of UTC here, so whole numbers serve; a cast of an instant to a date would look up the zone for each row.
-- shape: in, count distinct
SELECT user_id FROM profiles
WHERE user_no IN (
  SELECT user_no FROM events WHERE event = 'session_start' AND ts >= TIMESTAMPTZ '2026-03-02 00:00:00+00'
  GROUP BY user_no HAVING count(DISTINCT epoch_us(ts) // 86400000000) >= 3)
-- shape: in, two levels of grouping
SELECT user_id FROM profiles
WHERE user_no IN (
  SELECT user_no
  FROM (
    SELECT user_no, epoch_us(ts) // 86400000000 AS day FROM events
    WHERE event = 'session_start' AND ts >= TIMESTAMPTZ '2026-03-02 00:00:00+00'
    GROUP BY user_no, day)
  GROUP BY user_no HAVING count(*) >= 3)
-- shape: in, a bit a day
SELECT user_id FROM profiles
WHERE user_no IN (
  SELECT user_no FROM events WHERE event = 'session_start' AND ts >= TIMESTAMPTZ '2026-03-02 00:00:00+00'
  GROUP BY user_no HAVING bit_count(bit_or(1::BIGINT << (epoch_us(ts) // 86400000000 - 20514))) >= 3)
