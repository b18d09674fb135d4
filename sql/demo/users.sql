-- name: demo_users
-- Made-up users, the same for the same seed: those numbered $3 to $4.
-- $1 bigint  seed
-- $2 bigint  how many users there are in all
-- $3 bigint  the first number, from 1
-- $4 bigint  the last
-- columns: clerk_id, email, created_at, updated_at
SELECT -- 126 bits of a hash, in the letters of Clerk's ids. demo/problems and demo/attempts make
       -- the same id of the same number.
       'user_2' || left(translate(encode(decode(md5('user ' || $1::bigint || ' ' || n), 'hex'),
                                         'base64'), '+/=', 'xYz'), 21) AS clerk_id,
       -- Clerk knows no address of some.
       CASE WHEN h1 & 63 = 0 THEN ''
            ELSE lower((ARRAY['Ada','Alan','Barbara','Chen','Dana','Edsger','Fatima','Grace','Hiro',
                              'Ivan','Jürgen','Katherine','Lina','Margaret','Noor','Olu','Priya',
                              'Quentin','Rosa','Sofie','Tomás','Umar','Vera','Wei','Ximena','Yuki',
                              'Zoë','Aiko','Bjarne','Carla','Donald','Emil'])[1 + ((h1 >> 6) & 31)])
                 || (ARRAY['.','_','','-'])[1 + ((h1 >> 11) & 3)]
                 || n || '@'
                 || (ARRAY['example.com','example.org','example.net','mail.example','uni.example',
                           'post.example','dev.example','inbox.example'])[1 + ((h1 >> 13) & 7)]
       END AS email,
       joined AS created_at,
       joined + (h2 & 8191) * (h2 >> 13 & 262143) * interval '10 microseconds' AS updated_at
  FROM (SELECT n, h1, h2,
               -- More of them later in the year: the app grows.
               timestamp '2025-11-01'
                   + sqrt((h2 & 4503599627370495) / 4503599627370496.0::double precision)
                   * interval '360 days' AS joined
          FROM (SELECT n, hashint8extended(n, $1::bigint * 8 + 1) AS h1,
                       hashint8extended(n, $1::bigint * 8 + 2) AS h2
                  FROM generate_series($3::bigint, least($4::bigint, $2::bigint)) AS n
                -- Without this the hashes would be computed again wherever they are used.
                OFFSET 0) AS hashed
        OFFSET 0) AS dated
