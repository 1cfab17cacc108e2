#include "runtime/engine.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "codec/encoder.h"
#include "runtime/engine_impl.h"

namespace vigie::runtime {
namespace {

constexpr size_t kMaxShards = 256;
// TEARDOWNs are bounded to about a second by the sources; this only bounds a defect.
constexpr Nanos kStopLimit = 5s;

}  // namespace

Result<std::unique_ptr<Engine::Impl>> Engine::Impl::make(const EngineOptions& options) {
  if (options.shards < 1 || options.shards > kMaxShards) {
    return make_error(Code::invalid_argument, "shards",
                      std::to_string(options.shards) + " was given; 1 to 256 are possible");
  }
  if (options.event_capacity < 1) {
    return make_error(Code::invalid_argument, "event_capacity", "0 was given; at least 1 is needed");
  }
  if (options.codec_workers > kMaxShards) {
    return make_error(Code::invalid_argument, "codec_workers",
                      std::to_string(options.codec_workers) + " was given; 0 to 256 are possible");
  }
  if (Status known = codec::check_encoder_name(options.mask_encoder); !known.ok()) {
    return make_error(Code::invalid_argument, "mask_encoder", known.error().what);
  }
  std::unique_ptr<Impl> impl(new Impl(options));
  auto shards = net::ShardPool::make({.shards = options.shards, .cpus = options.cpus});
  if (!shards.ok()) return std::move(shards).error();
  impl->shards_ = std::move(shards).value();
  const size_t processors = std::max(1U, std::thread::hardware_concurrency());
  auto workers = WorkerPool::make(
      {.name = "vigie-codec", .threads = options.codec_workers == 0 ? processors : options.codec_workers});
  if (!workers.ok()) return std::move(workers).error();
  impl->workers_ = std::move(workers).value();
  // More workers than processors divide what is there.
  impl->budget_.emplace(static_cast<double>(std::min(impl->workers_->threads(), processors)));
  impl->tls_helpers_ = std::make_unique<net::HelperPool>(net::HelperPoolOptions{.name = "vigie-tls", .threads = 2});
  impl->resolver_ = std::make_unique<net::Resolver>();
  std::vector<net::EventLoop*> loops;
  for (size_t i = 0; i < impl->shards_->size(); ++i) {
    net::EventLoop& loop = impl->shards_->shard(i);
    loops.push_back(&loop);
    impl->source_shards_.push_back(
        std::make_unique<source::SourceShard>(loop, *impl->resolver_, impl->tls_helpers_.get()));
  }
  impl->viewing_ = std::make_unique<Viewing>(impl->clock_, impl->events_, loops);
  impl->server_ = std::make_unique<sink::RtspServer>(sink::RtspServerOptions{
      .shards = loops, .provider = impl->viewing_.get(), .helpers = impl->tls_helpers_.get(), .limits = {}});
  impl->shards_->post(0, [engine = impl.get()] { engine->arm_flush_timer(); });
  for (size_t i = 0; options.realtime_io && i < impl->shards_->size(); ++i) {
    impl->shards_->post(i, [engine = impl.get(), i] { engine->arm_rank_timer(i); });
  }
  return impl;
}

Engine::Impl::Impl(const EngineOptions& options)
    : pid_(::getpid()), options_(options), clock_(system_clock()), events_(clock_, options.event_capacity) {}

Engine::Impl::~Impl() { close(); }

void Engine::Impl::arm_flush_timer() {
  shards_->shard(0).add_timer_after(1s, [this] {
    events_.flush_merged();
    arm_flush_timer();
  });
}

// Real time only beside codec workers that have lanes: without, nobody of ours computes.
void Engine::Impl::arm_rank_timer(size_t shard) {
  shards_->shard(shard).add_timer_after(IoRank::kLookEvery, [this, shard] {
    shards_->rank(shard).look(budget_->usage().lanes > 0);
    arm_rank_timer(shard);
  });
}

Status Engine::Impl::check_usable() const {
  if (!own_process()) return make_error(Code::wrong_process, "engine", "made in process " + std::to_string(pid_));
  if (closed_) return make_error(Code::closed, "engine", "the engine was closed");
  return {};
}

void Engine::Impl::on_home_blocking(StreamPipeline& pipeline, std::function<void()> step) {
  pipeline.loop().run_blocking(step);
}

Status Engine::Impl::push(const PushedUnit& unit) {
  auto pipeline = viewing_->find(unit.camera, unit.stream);
  if (!pipeline.ok()) return std::move(pipeline).error();
  const auto& port = pipeline->pipeline->push_port();
  if (!port) {
    return make_error(Code::invalid_argument, pipeline->pipeline->key().text(),
                      "this stream is not pushed; its url must be push:");
  }
  return port->push({.codec = unit.codec,
                     .bytes = unit.data,
                     .length_size = unit.length_prefixed ? size_t{4} : 0,
                     .pts = unit.pts,
                     .capture_time = unit.capture_time,
                     .gap = unit.gap});
}

Result<std::vector<uint8_t>> Engine::Impl::scene_reference(const std::string& camera, const std::string& stream) {
  const auto found = viewing_->find(camera, stream);
  if (!found.ok()) return found.error();
  Result<std::vector<uint8_t>> reference = make_error(Code::closed, "engine", "the engine was closed");
  found->pipeline->loop().run_blocking([&] { reference = found->pipeline->scene_reference(); });
  return reference;
}

Result<std::shared_ptr<UnitQueue>> Engine::Impl::subscribe(const SubscribeOptions& options) {
  if (options.queue.units < 1 || options.queue.units > 65536) {
    return make_error(Code::invalid_argument, "queue_units",
                      std::to_string(options.queue.units) + " was given; 1 to 65536 are possible");
  }
  auto found = viewing_->find(options.camera, options.stream);
  if (!found.ok()) return std::move(found).error();
  const std::shared_ptr<StreamPipeline> pipeline = found->pipeline;
  auto queue = std::make_shared<UnitQueue>(options.queue);
  auto hold = std::make_shared<std::shared_ptr<PipelineHold>>();
  queue->on_close = [pipeline, hold, weak = std::weak_ptr<UnitQueue>(queue)] {
    // Detaching belongs to the feeding shard; the queue stays alive until it is done.
    pipeline->loop().post([hold, queue = weak.lock()] {
      if (queue) queue->detach();
      hold->reset();
    });
  };
  Status status;
  const bool ran = pipeline->loop().run_blocking([&] {
    const std::shared_ptr<Outlet> outlet = pipeline->outlet(found->version);
    status = outlet ? outlet->may_publish()
                    : Status(make_error(Code::not_found, options.camera, "the camera has no such version"));
    if (!status.ok()) return;
    auto taken = PipelineHold::take(pipeline, outlet);
    if (!taken.ok()) {
      status = std::move(taken).error();
      return;
    }
    // Known before it is fed: apply() and close() end every subscription they find, and must find this one.
    const std::lock_guard lock(subscriptions_mutex_);
    if (closed_) {
      status = make_error(Code::closed, "engine", "the engine was closed");
      return;
    }
    std::erase_if(subscriptions_, [](const Subscribed& subscribed) { return subscribed.queue.expired(); });
    subscriptions_.push_back({pipeline->key().camera, queue});
    *hold = std::move(taken).value();
    queue->attach(outlet->hub(), pipeline->home_shard(), options.start);
  });
  if (!ran) return make_error(Code::closed, "engine", "the engine was closed");
  if (!status.ok()) return std::move(status).error();
  // The host's reference is the handle: when the last copy of it goes, the subscription ends on its shard.
  UnitQueue* handle = queue.get();
  return std::shared_ptr<UnitQueue>(handle, [queue = std::move(queue)](UnitQueue*) { queue->close(); });
}

void Engine::Impl::for_each_subscription(const std::function<void(const std::string& camera, UnitQueue& queue)>& step) {
  std::vector<std::pair<std::string, std::shared_ptr<UnitQueue>>> live;
  {
    const std::lock_guard lock(subscriptions_mutex_);
    for (const Subscribed& subscribed : subscriptions_) {
      if (auto queue = subscribed.queue.lock()) live.emplace_back(subscribed.camera, std::move(queue));
    }
  }
  for (const auto& [camera, queue] : live) step(camera, *queue);
}

void Engine::Impl::close() {
  if (!own_process()) return;
  const std::lock_guard lock(control_mutex_);
  if (closed_.exchange(true)) return;
  if (!shards_) return;  // make() failed half-way
  const Error reason = make_error(Code::closed, "engine", "the engine was closed");
  if (server_) server_->close_blocking();
  for_each_subscription([](const std::string&, UnitQueue& queue) { queue.close(); });
  taps_->end(reason);
  while (!pipelines_.empty()) remove_stream(pipelines_.begin()->first, reason);
  stopping_.wait_blocking(kStopLimit);
  // Lanes post their results to the shards, so their workers end while these are there.
  if (workers_) workers_->stop();
  if (viewing_) viewing_->publish(make_directory(make_ref<policy::PolicySnapshot>(), {}, 0, nullptr, clock_));
  events_.close();
  // Sources' shared parts hold timers and sockets of their loop: they go on its thread.
  for (size_t i = 0; i < source_shards_.size(); ++i) {
    shards_->shard(i).run_blocking([&, i] { source_shards_[i].reset(); });
  }
  server_.reset();
  resolver_.reset();
  tls_helpers_.reset();
  shards_->stop();
}

// ---- the shell ------------------------------------------------------------------------------------------------------

Result<std::shared_ptr<Engine>> Engine::make(const EngineOptions& options) {
  auto impl = Impl::make(options);
  if (!impl.ok()) return std::move(impl).error();
  return std::shared_ptr<Engine>(new Engine(std::move(impl).value()));
}

std::vector<std::string> Engine::mask_encoders() { return codec::available_encoders(); }

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Engine::~Engine() {
  // In a forked child the threads do not exist and their locks may be held for ever: leave everything as it is.
  if (!impl_->own_process()) static_cast<void>(impl_.release());
}

Result<uint64_t> Engine::apply(std::string_view json, std::optional<uint64_t> expect_revision) {
  if (Status usable = impl_->check_usable(); !usable.ok()) return std::move(usable).error();
  return impl_->apply(json, expect_revision);
}

Status Engine::push_access_unit(const PushedUnit& unit) {
  if (Status usable = impl_->check_usable(); !usable.ok()) return usable;
  return impl_->push(unit);
}

Result<std::shared_ptr<UnitQueue>> Engine::subscribe(const SubscribeOptions& options) {
  if (Status usable = impl_->check_usable(); !usable.ok()) return std::move(usable).error();
  return impl_->subscribe(options);
}

Result<std::shared_ptr<FrameTap>> Engine::tap_frames(const TapOptions& options) {
  if (Status usable = impl_->check_usable(); !usable.ok()) return std::move(usable).error();
  return impl_->tap_frames(options);
}

Result<Snapshot> Engine::snapshot(const std::string& camera, const std::string& stream, WaitLimit timeout) {
  if (Status usable = impl_->check_usable(); !usable.ok()) return std::move(usable).error();
  return impl_->snapshot(camera, stream, timeout);
}

Status Engine::push_pose(const std::string& camera, const mask::Pose& pose) {
  if (Status usable = impl_->check_usable(); !usable.ok()) return usable;
  return impl_->push_pose(camera, pose);
}

Status Engine::distrust_pose(const std::string& camera, mask::PoseDoubt doubt) {
  if (Status usable = impl_->check_usable(); !usable.ok()) return usable;
  if (doubt == mask::PoseDoubt::none) {
    return make_error(Code::invalid_argument, "doubt", "a doubt has a reason; trust_pose() ends it");
  }
  return impl_->set_doubt(camera, doubt);
}

Status Engine::trust_pose(const std::string& camera) {
  if (Status usable = impl_->check_usable(); !usable.ok()) return usable;
  return impl_->set_doubt(camera, mask::PoseDoubt::none);
}

Result<Event> Engine::next_event_blocking(WaitLimit limit) {
  if (!impl_->own_process()) return make_error(Code::wrong_process, "engine", "made in another process");
  return impl_->events().next_blocking(limit);
}

int Engine::event_fd() const { return impl_->events().fd(); }

Result<std::string> Engine::stats() {
  if (Status usable = impl_->check_usable(); !usable.ok()) return std::move(usable).error();
  return impl_->stats();
}

Status Engine::record_source(const std::string& camera, const std::string& stream, size_t max_bytes) {
  if (Status usable = impl_->check_usable(); !usable.ok()) return usable;
  return impl_->record_source(camera, stream, max_bytes);
}

Result<std::string> Engine::source_report(const std::string& camera, const std::string& stream) {
  if (Status usable = impl_->check_usable(); !usable.ok()) return std::move(usable).error();
  return impl_->source_report(camera, stream);
}

Result<std::vector<uint8_t>> Engine::scene_reference(const std::string& camera, const std::string& stream) {
  if (Status usable = impl_->check_usable(); !usable.ok()) return std::move(usable).error();
  return impl_->scene_reference(camera, stream);
}

Status Engine::close() {
  if (!impl_->own_process()) return make_error(Code::wrong_process, "engine", "made in another process");
  impl_->close();
  return {};
}

}  // namespace vigie::runtime
