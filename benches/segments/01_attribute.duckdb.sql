-- shape: scan
SELECT user_id FROM profiles WHERE country = 'JP'
