#pragma clang diagnostic ignored "-Wc23-extensions"
#include "CPriceCatalog.h"

const unsigned char aig_price_catalog[] = {
#embed "prices.json"
};
const size_t aig_price_catalog_size = sizeof(aig_price_catalog);
