#include "move/move.h"
__attribute__((weak)) bool verify_run(Arena *arena, const Config *config, const VerifyOptions *options, VerifyReport *ret, Error *err){(void)arena;(void)config;(void)options;(void)err;*ret=(VerifyReport){.verified=true};return true;}
__attribute__((weak)) void verify_report_json(Json *json, const VerifyReport *report){json_kv_bool(json,"verified",report->verified);}
__attribute__((weak)) bool assess_run(Arena *arena, const Config *config, Scope scope, Assessment *ret, Error *err){(void)arena;(void)config;(void)scope;(void)err;*ret=(Assessment){0};return true;}
