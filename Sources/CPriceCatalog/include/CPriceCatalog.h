// The built-in price list, placed in read-only memory at build time.
// Schema and sources: see the head of prices.json and ops/docs/prices.md.
#pragma once
#include <stddef.h>

// The first byte of the list; it stays where it is for the life of the process.
const unsigned char *aig_price_catalog(void);
// The list's length in bytes.
size_t aig_price_catalog_size(void);
