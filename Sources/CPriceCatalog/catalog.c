#pragma clang diagnostic ignored "-Wc23-extensions"
#include "CPriceCatalog.h"

static const unsigned char catalog[] = {
#embed "prices.json"
};

const unsigned char *aig_price_catalog(void) { return catalog; }
size_t aig_price_catalog_size(void) { return sizeof(catalog); }
