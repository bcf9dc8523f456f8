// The built-in price list, placed in read-only memory at build time.
// Schema and sources: see the head of prices.json and ops/docs/prices.md.
#pragma once
#include <stddef.h>

extern const unsigned char aig_price_catalog[];
extern const size_t aig_price_catalog_size;
