"""How much the zoo holds, for zoo.py: what every version and build has."""

# Rows of each table; a partitioned table is one. Matviews are there with theirs.
ROWS = {
    '"Odd ""Schema"".x"."Table.with ""quotes"" and \'more\'"': 25, '"Odd ""Schema"".x"."back\\slash"': 2,
    '"Odd ""Schema"".x"."line\nfeed"': 2, '"SELECT"."table"': 2, '"select"."table"': 1, '"select"."uses type"': 1,
    'public."table"': 1, "public.pg_class": 1, 'zoo."$1"': 1, 'zoo."CASE"': 2, 'zoo."Case"': 1, 'zoo."cAse"': 3,
    'zoo."pg_temp.x"': 0, 'zoo."äääääääääääääääääääääääääääääää1"': 2,
    "zoo.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1": 2,
    "zoo.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa2": 2, "zoo.all_dropped": 2,
    "zoo.altered": 101, "zoo.animal": 2, "zoo.bird": 2, "zoo.bytes_key": 4, "zoo.can_fly": 1, "zoo.count": 1,
    "zoo.fish": 2, "zoo.float_key": 7, "zoo.generated": 51, "zoo.identity_always": 8, "zoo.identity_default": 1,
    "zoo.identity_full": 3, "zoo.identity_index": 30, "zoo.identity_nothing": 4, "zoo.many_blocks": 21731,
    "zoo.no_column": 3, "zoo.no_key": 8, "zoo.no_row": 0, "zoo.of_type": 3, "zoo.only_generated": 2, "zoo.orphan": 1,
    "zoo.other_access": 2, "zoo.parrot": 1, "zoo.refers_to_large": 5, "zoo.serials": 12, "zoo.storage": 20,
    "zoo.text_key": 1014, "zoo.unlogged": 5, "zoo.uses_sequence": 3, "zoo.wide": 20, "zoo.wide_key": 500,
    "zoo_index.thing": 2000, "zoo_parts.by_label": 20, "zoo_parts.by_mood": 210, "zoo_parts.childless": 0,
    "zoo_parts.detached": 1, "zoo_parts.event": 902, "zoo_parts.half_indexed": 200, "zoo_parts.many_columns": 26,
    "zoo_parts.part_refers": 50, "zoo_parts.refers_to_parts": 100, "zoo_parts.region": 6, "zoo_parts.spread": 1000,
    "zoo_rules.bookings": 30, "zoo_rules.checked": 10, "zoo_rules.child": 61, "zoo_rules.department": 10,
    "zoo_rules.late_domain": 2, "zoo_rules.not_null_without_key": 2, "zoo_rules.parent": 20, "zoo_rules.person": 100,
    "zoo_rules.uniques": 40, "zoo_search.page": 40, "zoo_secure.account": 30, "zoo_secure.locked": 2,
    "zoo_secure.policy_not_enabled": 0, "zoo_trigger.counted": 5, "zoo_trigger.ddl_log": 0, "zoo_trigger.log": 5,
    "zoo_trigger.target": 20, "zoo_values.amounts": 6, "zoo_values.arrays": 4, "zoo_values.bytes": 8,
    "zoo_values.catalogue": 4, "zoo_values.documents": 10, "zoo_values.intervals_of": 4, "zoo_values.network": 6,
    "zoo_values.numbers": 13, "zoo_values.own_types": 4, "zoo_values.searches": 5, "zoo_values.shapes": 4,
    "zoo_values.system": 3, "zoo_values.texts": 16, "zoo_values.times": 10, "zoo_views.a_chain": 1,
    "zoo_views.of_totals": 1, "zoo_views.on_key": 20, "zoo_views.rule_log": 10, "zoo_views.ruled": 10,
    "zoo_views.totals": 50,
}

# Objects of each kind, at least.
LEAST = {
    "schema": 15, "relation": 134, "column": 1683, "inheritance": 48, "index": 143, "constraint": 112,
    "constraint of a partition": 22, "trigger": 16, "rule": 4, "view": 17, "policy": 6, "sequence": 16,
    "function": 58, "aggregate": 5, "type": 24, "enum label": 4, "domain constraint": 8, "range": 2, "operator": 6,
    "operator class": 1, "operator family": 2, "cast": 6, "transform": 1, "conversion": 1, "collation": 1,
    "collation name": 1, "language": 3, "access method": 1, "text search parser": 1, "text search template": 1,
    "text search dictionary": 3, "text search configuration": 2, "extension": 1, "right on a member": 2,
    "foreign data wrapper": 1, "server": 1, "user mapping": 1, "foreign table": 1, "statistics object": 5,
    "default right": 5, "event trigger": 4, "publication": 3, "published table": 2, "comment": 46, "large object": 5,
    "sequence value": 16,
}
