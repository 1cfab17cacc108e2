#pragma once
// RTP packets of a train as datagrams, equal sizes in one system call where the kernel segments them.
#include <netinet/in.h>
#include <sys/socket.h>

#include <span>

#include "loadgen/clip.h"

namespace vigie::loadgen {

// Longest run of `order` from `at` that one segmented send can carry: at most 64 packets and 65507 bytes, all of the
// first one's size, only the last one smaller. Source: udp(7), UDP_SEGMENT.
size_t segment_run(const UnitTrain& train, std::span<const uint32_t> order, size_t at);

// Sends the packets in that order. Returns how many the kernel refused.
size_t send_train(int fd, const UnitTrain& train, std::span<const uint32_t> order, const sockaddr_storage& to,
                  socklen_t to_size);

}  // namespace vigie::loadgen
