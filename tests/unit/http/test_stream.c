#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/stream.h"

/* Long enough for what is on its way through the loopback. */
static const struct timeval moment = {.tv_usec = 20 * 1000};

typedef struct Pair {
    struct event_base *base;
    Stream *stream;
    int peer;
    int reads;
    int closed;
    int drained;
    int lies; /* what is let lie again in each event */
} Pair;

static void on_event(void *arg, StreamEvent event)
{
    Pair *pair = arg;

    pair->reads += event == STREAM_READ;
    pair->closed += event == STREAM_CLOSED;
    pair->drained += event == STREAM_DRAINED;
    if (pair->lies > 0 && event == STREAM_READ) {
        bytes_clear(stream_input(pair->stream));
        stream_let_lie(pair->stream, pair->lies);
    }
}

static void pair_open(Pair *pair, int fd, int peer)
{
    *pair = (Pair){.base = event_base_new(), .peer = peer};
    assert_non_null(pair->base);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(fcntl(peer, F_SETFL, O_NONBLOCK), 0);
    pair->stream = stream_new(pair->base, fd, on_event, pair);
}

/* Keeps apart what was sent apart. */
static void pair_open_packets(Pair *pair)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
    pair_open(pair, fds[0], fds[1]);
}

static void pair_open_tcp(Pair *pair)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    int peer = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(listener, (const struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    assert_int_equal(connect(peer, (const struct sockaddr *)&address, len), 0);
    pair_open(pair, accept(listener, NULL, NULL), peer);
    assert_int_equal(close(listener), 0);
}

static void pair_close(Pair *pair)
{
    stream_free(pair->stream);
    if (pair->peer >= 0)
        assert_int_equal(close(pair->peer), 0);
    event_base_free(pair->base);
}

static void turn(Pair *pair)
{
    assert_true(event_base_loop(pair->base, EVLOOP_NONBLOCK) >= 0);
}

static void a_while(Pair *pair)
{
    assert_int_equal(event_base_loopexit(pair->base, &moment), 0);
    assert_true(event_base_dispatch(pair->base) >= 0);
}

static void await_reads(Pair *pair, int reads)
{
    for (int i = 0; i < 500 && pair->reads < reads; i++)
        a_while(pair);
    assert_int_equal(pair->reads, reads);
}

static void assert_sent(const Pair *pair, const char *expected)
{
    char data[64] = "";
    ssize_t n = recv(pair->peer, data, sizeof data - 1, 0);

    assert_int_equal(n, expected ? (ssize_t)strlen(expected) : -1);
    assert_string_equal(data, expected ? expected : "");
}

static void peer_says(const Pair *pair, const char *text)
{
    assert_int_equal(send(pair->peer, text, strlen(text), 0), strlen(text));
}

static void what_may_wait_goes_with_what_is_written_next(void **state)
{
    (void)state;
    Pair pair;

    pair_open_packets(&pair);
    stream_write_soon(pair.stream, "clean ", 6);
    assert_sent(&pair, NULL);
    assert_int_equal(stream_queued(pair.stream), 6);
    stream_write(pair.stream, "ask", 3);
    assert_sent(&pair, "clean ask");
    turn(&pair);
    assert_sent(&pair, NULL);
    assert_int_equal(pair.drained, 1);
    pair_close(&pair);
}

static void what_may_wait_waits_no_longer_than_a_turn_of_the_loop(void **state)
{
    (void)state;
    Pair pair;

    pair_open_packets(&pair);
    stream_write_soon(pair.stream, "clean", 5);
    stream_write_soon(pair.stream, "er", 2);
    turn(&pair);
    assert_sent(&pair, "cleaner");
    assert_int_equal(pair.drained, 1);
    stream_write_soon(pair.stream, "last", 4);
    stream_shutdown(pair.stream);
    turn(&pair);
    assert_sent(&pair, "last");
    assert_sent(&pair, ""); /* the end */
    pair_close(&pair);
}

static void a_large_write_takes_along_what_waits(void **state)
{
    (void)state;
    Pair pair;
    Bytes large = bytes_init(1 << 20);
    char data[64 * 1024];

    pair_open_packets(&pair);
    memset(bytes_reserve(&large, sizeof data - 1), 'x', sizeof data - 1);
    bytes_commit(&large, sizeof data - 1);
    stream_write_soon(pair.stream, "clean", 5);
    stream_write_bytes(pair.stream, &large);
    assert_sent(&pair, "clean");
    assert_int_equal(recv(pair.peer, data, sizeof data, 0), sizeof data - 1);
    assert_int_equal(stream_queued(pair.stream), 0);
    pair_close(&pair);
}

static void a_peer_that_has_gone_is_told_from_the_loop(void **state)
{
    (void)state;
    Pair pair;

    for (int together = 0; together < 2; together++) {
        pair_open_packets(&pair);
        assert_int_equal(close(pair.peer), 0);
        pair.peer = -1;
        stream_write_soon(pair.stream, "clean ", 6);
        if (together)
            stream_write(pair.stream, "ask", 3);
        assert_int_equal(pair.closed, 0);
        turn(&pair);
        assert_int_equal(pair.closed, 1);
        stream_write_soon(pair.stream, "again", 5);
        assert_int_equal(stream_queued(pair.stream), together ? 9 : 6);
        pair_close(&pair);
    }
}

static void what_may_lie_is_told_with_what_is_behind_it(void **state)
{
    (void)state;
    Pair pair;

    pair_open_tcp(&pair);
    stream_let_lie(pair.stream, 5);
    peer_says(&pair, "clean");
    a_while(&pair);
    assert_int_equal(pair.reads, 0);
    peer_says(&pair, "!");
    await_reads(&pair, 1);
    assert_memory_equal(bytes_data(stream_input(pair.stream)), "clean!", 6);
    peer_says(&pair, "x");
    await_reads(&pair, 2);
    /* Nor does more lie than was said, where some of it is here already. */
    stream_let_lie(pair.stream, 5);
    peer_says(&pair, "y");
    await_reads(&pair, 3);
    pair_close(&pair);
}

static void what_an_event_lets_lie_anew_lies(void **state)
{
    (void)state;
    Pair pair;

    pair_open_tcp(&pair);
    pair.lies = 5;
    stream_let_lie(pair.stream, 5);
    for (int round = 1; round < 4; round++) {
        peer_says(&pair, "clean");
        a_while(&pair);
        assert_int_equal(pair.reads, round - 1);
        peer_says(&pair, "answer");
        await_reads(&pair, round);
    }
    pair.lies = 0;
    peer_says(&pair, "clean!");
    await_reads(&pair, 4);
    bytes_clear(stream_input(pair.stream));
    peer_says(&pair, "x");
    await_reads(&pair, 5);
    pair_close(&pair);
}

static void the_end_is_told_whatever_lies(void **state)
{
    (void)state;
    Pair pair;

    pair_open_tcp(&pair);
    stream_let_lie(pair.stream, 5);
    peer_says(&pair, "cle");
    assert_int_equal(shutdown(pair.peer, SHUT_WR), 0);
    await_reads(&pair, 1);
    for (int i = 0; i < 500 && !pair.closed; i++)
        a_while(&pair);
    assert_int_equal(pair.closed, 1);
    pair_close(&pair);
}

static void what_lies_makes_no_reset_of_an_end(void **state)
{
    (void)state;
    Pair pair;
    char byte;

    pair_open_tcp(&pair);
    stream_let_lie(pair.stream, 5);
    peer_says(&pair, "clean");
    a_while(&pair);
    stream_free(pair.stream);
    pair.stream = NULL;
    assert_int_equal(poll(&(struct pollfd){.fd = pair.peer, .events = POLLIN}, 1, 10000), 1);
    assert_int_equal(recv(pair.peer, &byte, 1, 0), 0);
    pair_close(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_may_wait_goes_with_what_is_written_next),
        cmocka_unit_test(what_may_wait_waits_no_longer_than_a_turn_of_the_loop),
        cmocka_unit_test(a_large_write_takes_along_what_waits),
        cmocka_unit_test(a_peer_that_has_gone_is_told_from_the_loop),
        cmocka_unit_test(what_may_lie_is_told_with_what_is_behind_it),
        cmocka_unit_test(what_an_event_lets_lie_anew_lies),
        cmocka_unit_test(the_end_is_told_whatever_lies),
        cmocka_unit_test(what_lies_makes_no_reset_of_an_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
