/* Cleanup attributes for libcrypto's objects; big numbers are in threshold/bn.h. */
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/param_build.h>

#include "base/cleanup.h"

DEFINE_CLEANUP(BIO, BIO_free_all)
DEFINE_CLEANUP(EVP_CIPHER, EVP_CIPHER_free)
DEFINE_CLEANUP(EVP_CIPHER_CTX, EVP_CIPHER_CTX_free)
DEFINE_CLEANUP(EVP_KDF, EVP_KDF_free)
DEFINE_CLEANUP(EVP_KDF_CTX, EVP_KDF_CTX_free)
DEFINE_CLEANUP(EVP_MAC, EVP_MAC_free)
DEFINE_CLEANUP(EVP_MAC_CTX, EVP_MAC_CTX_free)
DEFINE_CLEANUP(EVP_MD, EVP_MD_free)
DEFINE_CLEANUP(EVP_MD_CTX, EVP_MD_CTX_free)
DEFINE_CLEANUP(EVP_PKEY, EVP_PKEY_free)
DEFINE_CLEANUP(EVP_PKEY_CTX, EVP_PKEY_CTX_free)
DEFINE_CLEANUP(OSSL_PARAM, OSSL_PARAM_free)
DEFINE_CLEANUP(OSSL_PARAM_BLD, OSSL_PARAM_BLD_free)

#define _cleanup_bio_           _cleanup_(BIO_free_allp)
#define _cleanup_cipher_        _cleanup_(EVP_CIPHER_freep)
#define _cleanup_cipher_ctx_    _cleanup_(EVP_CIPHER_CTX_freep)
#define _cleanup_kdf_           _cleanup_(EVP_KDF_freep)
#define _cleanup_kdf_ctx_       _cleanup_(EVP_KDF_CTX_freep)
#define _cleanup_mac_           _cleanup_(EVP_MAC_freep)
#define _cleanup_mac_ctx_       _cleanup_(EVP_MAC_CTX_freep)
#define _cleanup_md_            _cleanup_(EVP_MD_freep)
#define _cleanup_md_ctx_        _cleanup_(EVP_MD_CTX_freep)
#define _cleanup_pkey_          _cleanup_(EVP_PKEY_freep)
#define _cleanup_pkey_ctx_      _cleanup_(EVP_PKEY_CTX_freep)
#define _cleanup_params_        _cleanup_(OSSL_PARAM_freep)
#define _cleanup_param_builder_ _cleanup_(OSSL_PARAM_BLD_freep)
