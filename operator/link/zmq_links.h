#pragma once

#include <functional>
#include <memory>

#include "operator/link/broker_link.h"
#include "operator/link/link_session.h"
#include "runtime/clock.h"

namespace sluice::link {

// Runs a callback where the owner wants it. Called on the links' thread; must not wait.
using Post = std::function<void(std::function<void()>)>;

// Links over ZeroMQ, all on one thread of their own. Keys stay in memory.
//
// `clock` must outlive it, and it must outlive its links. A link is to be destroyed where its
// callbacks run: then none of them runs afterwards. May be used on any thread.
std::unique_ptr<BrokerLinks> make_zmq_links(const runtime::Clock& clock, Post post,
                                            LinkOptions options = {});

}  // namespace sluice::link
