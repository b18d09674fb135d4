-- Text search: dictionaries, a template, a parser, configurations.
CREATE SCHEMA zoo_search;
CREATE TEXT SEARCH TEMPLATE zoo_search.my_template (INIT = dsimple_init, LEXIZE = dsimple_lexize);
CREATE TEXT SEARCH PARSER zoo_search.my_parser (START = prsd_start, GETTOKEN = prsd_nexttoken,
    END = prsd_end, LEXTYPES = prsd_lextype, HEADLINE = prsd_headline);
CREATE TEXT SEARCH DICTIONARY zoo_search.my_dictionary
    (TEMPLATE = pg_catalog.simple, STOPWORDS = english, ACCEPT = false);
CREATE TEXT SEARCH DICTIONARY zoo_search."Odd ""stemmer""" (TEMPLATE = pg_catalog.snowball, LANGUAGE = german);
CREATE TEXT SEARCH DICTIONARY zoo_search.of_template (TEMPLATE = zoo_search.my_template);
CREATE TEXT SEARCH CONFIGURATION zoo_search.my_config (COPY = pg_catalog.english);
ALTER TEXT SEARCH CONFIGURATION zoo_search.my_config ALTER MAPPING FOR asciiword, word
    WITH zoo_search.my_dictionary, zoo_search."Odd ""stemmer""", pg_catalog.simple;
ALTER TEXT SEARCH CONFIGURATION zoo_search.my_config DROP MAPPING FOR email, url;
CREATE TEXT SEARCH CONFIGURATION zoo_search.own_parser (PARSER = zoo_search.my_parser);
ALTER TEXT SEARCH CONFIGURATION zoo_search.own_parser ADD MAPPING FOR word WITH zoo_search.of_template;
COMMENT ON TEXT SEARCH CONFIGURATION zoo_search.my_config IS 'a configuration';
COMMENT ON TEXT SEARCH DICTIONARY zoo_search.my_dictionary IS 'a dictionary';
COMMENT ON TEXT SEARCH PARSER zoo_search.my_parser IS 'a parser';
COMMENT ON TEXT SEARCH TEMPLATE zoo_search.my_template IS 'a template';

CREATE TABLE zoo_search.page (id integer PRIMARY KEY, title text, body text, config regconfig,
    found tsvector GENERATED ALWAYS AS (setweight(to_tsvector('zoo_search.my_config', coalesce(title, '')), 'A')
        || to_tsvector('zoo_search.my_config', coalesce(body, ''))) STORED);
INSERT INTO zoo_search.page SELECT g, 'Title number ' || g, 'Running dogs and Häuser ' || g,
    'zoo_search.my_config' FROM generate_series(1, 40) AS g;
CREATE INDEX page_found ON zoo_search.page USING gin (found);
CREATE INDEX page_expression ON zoo_search.page USING gin (to_tsvector('zoo_search.my_config', body));
