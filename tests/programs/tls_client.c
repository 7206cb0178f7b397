/* A client of a TLS library that has no program of its own to test with: sends the bytes of one file
 * to 127.0.0.1:PORT, prints the answer, and counts what the library took and gave.
 *
 *     tls_client PORT GATE REQUEST COUNTS
 *
 * It waits for the file GATE to exist. Build with -DWITH_MBEDTLS, -DWITH_WOLFSSL or -DWITH_OPENSSL_1_0.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void fail(const char *what, int code)
{
    fprintf(stderr, "%s: %d\n", what, code);
    exit(1);
}

#ifdef WITH_MBEDTLS
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>

static mbedtls_ssl_context ssl;
static mbedtls_ssl_config config;
static mbedtls_entropy_context entropy;
static mbedtls_ctr_drbg_context random_source;
static mbedtls_net_context net;

static void start(int socket)
{
    mbedtls_ssl_init(&ssl);
    mbedtls_ssl_config_init(&config);
    mbedtls_entropy_init(&entropy);
    mbedtls_ctr_drbg_init(&random_source);
    net.fd = socket;
    int code = mbedtls_ctr_drbg_seed(&random_source, mbedtls_entropy_func, &entropy, NULL, 0);
    if (code) fail("seed", code);
    code = mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
                                       MBEDTLS_SSL_PRESET_DEFAULT);
    if (code) fail("defaults", code);
    mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_NONE);
    mbedtls_ssl_conf_rng(&config, mbedtls_ctr_drbg_random, &random_source);
    if ((code = mbedtls_ssl_setup(&ssl, &config))) fail("setup", code);
    mbedtls_ssl_set_bio(&ssl, &net, mbedtls_net_send, mbedtls_net_recv, NULL);
    while ((code = mbedtls_ssl_handshake(&ssl)))
        if (code != MBEDTLS_ERR_SSL_WANT_READ && code != MBEDTLS_ERR_SSL_WANT_WRITE) fail("handshake", code);
}

static int put(const unsigned char *bytes, int length) { return mbedtls_ssl_write(&ssl, bytes, length); }
static int get(unsigned char *bytes, int length) { return mbedtls_ssl_read(&ssl, bytes, length); }
static void stop(void) { mbedtls_ssl_close_notify(&ssl); mbedtls_ssl_free(&ssl); }
#endif

#ifdef WITH_WOLFSSL
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

static WOLFSSL *ssl;

static void start(int socket)
{
    wolfSSL_Init();
    WOLFSSL_CTX *context = wolfSSL_CTX_new(wolfTLSv1_2_client_method());
    if (!context) fail("context", 0);
    wolfSSL_CTX_set_verify(context, WOLFSSL_VERIFY_NONE, NULL);
    if (!(ssl = wolfSSL_new(context))) fail("new", 0);
    wolfSSL_set_fd(ssl, socket);
    if (wolfSSL_connect(ssl) != WOLFSSL_SUCCESS) fail("handshake", wolfSSL_get_error(ssl, -1));
}

static int put(const unsigned char *bytes, int length) { return wolfSSL_write(ssl, bytes, length); }
/* Ends in wolfSSL_read. */
static int get(unsigned char *bytes, int length) { return wolfSSL_recv(ssl, bytes, length, 0); }
static void stop(void) { wolfSSL_shutdown(ssl); wolfSSL_free(ssl); }
#endif

#ifdef WITH_OPENSSL_1_0
/* Its headers are nowhere to be had; these functions it has always had (ssl/ssl.h). */
typedef struct ssl_st SSL;
typedef struct ssl_ctx_st SSL_CTX;
int SSL_library_init(void);
const void *SSLv23_client_method(void);
SSL_CTX *SSL_CTX_new(const void *method);
SSL *SSL_new(SSL_CTX *context);
int SSL_set_fd(SSL *ssl, int socket);
int SSL_connect(SSL *ssl);
int SSL_read(SSL *ssl, void *bytes, int length);
int SSL_write(SSL *ssl, const void *bytes, int length);
int SSL_shutdown(SSL *ssl);
void SSL_free(SSL *ssl);

static SSL *ssl;

static void start(int socket)
{
    SSL_library_init();
    SSL_CTX *context = SSL_CTX_new(SSLv23_client_method());
    if (!context) fail("context", 0);
    if (!(ssl = SSL_new(context))) fail("new", 0);
    SSL_set_fd(ssl, socket);
    int code = SSL_connect(ssl);
    if (code != 1) fail("handshake", code);
}

static int put(const unsigned char *bytes, int length) { return SSL_write(ssl, bytes, length); }
static int get(unsigned char *bytes, int length) { return SSL_read(ssl, bytes, length); }
static void stop(void) { SSL_shutdown(ssl); SSL_free(ssl); }
#endif

int main(int count, char **words)
{
    static unsigned char bytes[65536];
    if (count != 5) fail("arguments", count);
    while (access(words[2], F_OK)) usleep(5000);
    FILE *request = fopen(words[3], "rb");
    if (!request) fail("request", 0);
    int length = fread(bytes, 1, sizeof bytes, request);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(words[1]))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int connection = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(connection, (struct sockaddr *)&to, sizeof to)) fail("connect", 0);
    start(connection);
    int sent = 0, received = 0, moved;
    for (; sent < length; sent += moved)
        if ((moved = put(bytes + sent, length - sent)) <= 0) fail("write", moved);
    /* Until the headers and a body of Content-Length are there: the peer keeps the connection. */
    int wanted = -1;
    while (wanted < 0 || received < wanted) {
        if ((moved = get(bytes + received, sizeof bytes - 1 - received)) <= 0) fail("read", moved);
        received += moved;
        bytes[received] = 0;
        char *end = strstr((char *)bytes, "\r\n\r\n"), *field = strcasestr((char *)bytes, "content-length:");
        if (wanted < 0 && end && field) wanted = end + 4 - (char *)bytes + atoi(field + 15);
    }
    stop();
    FILE *counts = fopen(words[4], "w");
    fprintf(counts, "{\"sent\": %d, \"received\": %d}", sent, received);
    fclose(counts);
    return 0;
}
