#pragma once
// What libvigie_engine shows to the extensions that load it.
#define VIGIE_API __attribute__((visibility("default")))
